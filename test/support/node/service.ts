/**
 * The whole service as a process of its own, by the same script as `npm start`, on a free port and a state folder of its
 * own. It is the leader of a process group, so that `kill`, which knows the runtime besides, is the end of everything at
 * once, as by a power cut; nothing here waits for a time, only for what the service says or does.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { pickPort } from "./pick-port.ts";
import { waitFor } from "./wait-for.ts";

const ROOT = resolve(import.meta.dirname, "../../..");
const NODE = join(ROOT, "node_modules/.bin/node");
const READY_WITHIN_MS = 60_000;

export interface ServiceOptions {
  /** The Worker's entry, from the project's folder: test/support/entry.ts for a service with faults. */
  readonly entry?: string;
  /** An existing state folder; otherwise a fresh one, removed with the service. */
  readonly state?: string;
  /** `npm start`, unless told otherwise. */
  readonly script?: "serve" | "dev";
  readonly env?: Readonly<Record<string, string>>;
}

export interface Service extends AsyncDisposable {
  /** http://127.0.0.1:PORT, the same after a restart. */
  readonly url: string;
  readonly state: string;
  /** Of the server's process. */
  readonly pid: number;
  /** Lines of standard output and standard error, of all starts together. */
  readonly logs: { readonly out: readonly string[]; readonly err: readonly string[] };
  /** Of the running runtime; null while there is none. */
  workerdPid(): number | null;
  /** As an operator stops it; gives back the exit code. */
  stop(signal?: "SIGTERM" | "SIGINT"): Promise<number | null>;
  /** SIGTERM to the server's whole process group; gives back the exit code. */
  stopGroup(): Promise<number | null>;
  /** SIGKILL to everything of it at once. */
  kill(): Promise<void>;
  /** SIGKILL to the runtime alone; resolves when another one answers. */
  killWorkerd(): Promise<void>;
  /** The same service again after `stop` or `kill`: same port, same state. */
  restart(): Promise<void>;
}

/** @throws with what it printed where it does not become ready */
export async function startService(options: ServiceOptions = {}): Promise<Service> {
  const scratch = mkdtempSync(join(tmpdir(), "sluice-test-"));
  const state = options.state ?? join(scratch, "state");
  const out: string[] = [];
  const err: string[] = [];
  const port = await pickPort();
  let child = await launch();
  process.on("exit", reap);

  async function launch(): Promise<ChildProcess> {
    const args = [join(ROOT, `scripts/${options.script ?? "serve"}.cjs`), "--port", String(port), "--state", state];
    if (options.entry !== undefined) args.push("--entry", resolve(ROOT, options.entry));
    // Whatever is killed leaves its temporary files behind: here, where they are removed with the rest.
    const env = { ...process.env, TMPDIR: scratch, ...options.env };
    const started = spawn(NODE, args, { cwd: ROOT, env, detached: true, stdio: ["ignore", "pipe", "pipe"] });
    eachLine(started.stderr, (line) => err.push(line));
    await new Promise<void>((ready, failed) => {
      eachLine(started.stdout, (line) => {
        out.push(line);
        if (line.startsWith(`Sluice is ready on http://localhost:${port}`)) ready();
      });
      const fail = (why: string) => failed(new Error(`The service ${why}:\n${[...err, ...out.slice(-20)].join("\n")}`));
      started.once("exit", (code, signal) => fail(`ended by ${signal ?? code} before it was ready`));
      started.once("error", (error) => fail(`could not be started (${error.message})`));
      setTimeout(() => fail(`was not ready within ${READY_WITHIN_MS} ms`), READY_WITHIN_MS).unref();
    });
    return started;
  }
  const workerdPid = (): number | null => {
    try {
      const card: unknown = JSON.parse(readFileSync(join(state, "service.json"), "utf8"));
      const pid = Reflect.get(Object(card), "runtime");
      return typeof pid === "number" ? pid : null;
    } catch {
      return null;
    }
  };
  const ended = async () => {
    if (!isOver()) await new Promise((exit) => child.once("exit", exit));
    await waitFor(() => isFree(port), { what: `port ${port} is free again` });
  };
  const isOver = () => child.exitCode !== null || child.signalCode !== null;
  function reap(): void {
    // The runtime is in a group of its own. Of a server that is over, the card may name a number that is another's now.
    const runtime = isOver() ? null : workerdPid();
    killNow(-Number(child.pid));
    if (runtime !== null) killNow(runtime);
  }
  const kill = async () => {
    reap();
    await ended();
  };
  return {
    url: `http://127.0.0.1:${port}`,
    state,
    logs: { out, err },
    get pid() {
      return Number(child.pid);
    },
    workerdPid,
    kill,
    async stop(signal = "SIGTERM") {
      child.kill(signal);
      await ended();
      return child.exitCode;
    },
    async stopGroup() {
      process.kill(-Number(child.pid), "SIGTERM");
      await ended();
      return child.exitCode;
    },
    async killWorkerd() {
      const victim = await waitFor(workerdPid, { what: "a runtime to kill" });
      process.kill(victim, "SIGKILL");
      const isBack = async () => workerdPid() !== victim && (await fetch(`http://127.0.0.1:${port}/health/live`)).ok;
      await waitFor(isBack, { what: "another runtime", timeoutMs: 30_000 });
    },
    async restart() {
      child = await launch();
    },
    async [Symbol.asyncDispose]() {
      await kill();
      process.off("exit", reap);
      rmSync(scratch, { recursive: true, force: true });
    },
  };
}

function killNow(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // Nothing of it is left.
  }
}

function eachLine(stream: NodeJS.ReadableStream, take: (line: string) => void): void {
  let rest = "";
  stream.setEncoding("utf8");
  stream.on("data", (chunk: string) => {
    const lines = (rest + chunk).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) take(line);
  });
}

function isFree(port: number): Promise<boolean> {
  return new Promise((answer) => {
    const probe = connect(port, "127.0.0.1");
    probe.once("connect", () => {
      probe.destroy();
      answer(false);
    });
    probe.once("error", () => answer(true));
  });
}
