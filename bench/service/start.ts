/**
 * Starts the service as `npm start` does, by its own script in a process of its own, with the bench's entry for the
 * Worker: logs on, state on disk. One a scenario, so that none runs in what another has left.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, openSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { setTimeout as pause } from "node:timers/promises";

export const ROOT = resolve(import.meta.dirname, "../..");
export const ENTRY = join(ROOT, "bench/worker/entry.ts");
const SERVER = join(ROOT, "scripts/serve.cjs");

const START_MS = 60_000;
const STOP_MS = 10_000;
const READY = /^Sluice is ready on (\S+)$/m;

export interface Service {
  readonly url: string;
  /** Of the server; the runtime is its child. */
  readonly pid: number;
  /** Empties the log, which would otherwise grow by 300 bytes a request. */
  forgetLog(): void;
  stop(): Promise<void>;
}

/**
 * @param inspectorPort where the runtime's inspector listens; without it there is none
 * @throws with what the server said where it does not become ready
 */
export async function startService({ inspectorPort }: { inspectorPort?: number } = {}): Promise<Service> {
  const folder = mkdtempSync(join(tmpdir(), "sluice-bench-"));
  const log = join(folder, "service.log");
  const output = openSync(log, "a");
  const args = [SERVER, "--port", "0", "--state", join(folder, "state"), "--entry", ENTRY];
  const inspected =
    inspectorPort === undefined ? {} : { MINIFLARE_WORKERD_PATH: inspectedRuntime(folder, inspectorPort) };
  const env = { ...process.env, DRAIN_SECONDS: "0", ...inspected };
  const server = spawn(process.execPath, args, { cwd: ROOT, env, stdio: ["ignore", output, output] });
  // Nothing is left behind where the bench ends in the middle.
  const kill = () => void server.kill("SIGKILL");
  process.once("exit", kill);
  const ended = new Promise<void>((resolve) => server.once("exit", () => resolve()));
  const url = await readyUrl(server, log);
  return {
    url,
    pid: server.pid ?? 0,
    forgetLog: () => truncateSync(log, 0),
    async stop() {
      server.kill("SIGTERM");
      const killing = setTimeout(() => server.kill("SIGKILL"), STOP_MS);
      await ended;
      clearTimeout(killing);
      process.removeListener("exit", kill);
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

async function readyUrl(server: ChildProcess, log: string): Promise<string> {
  const deadline = Date.now() + START_MS;
  while (Date.now() < deadline && server.exitCode === null) {
    const ready = READY.exec(readFileSync(log, "utf8"));
    // The server names localhost and listens on 127.0.0.1: no look-up, no attempt at ::1.
    if (ready?.[1]) return ready[1].replace("localhost", "127.0.0.1");
    await pause(20);
  }
  server.kill("SIGKILL");
  throw new Error(`The service did not start:\n${readFileSync(log, "utf8")}`);
}

/** `npm start` has no word for an inspector, but takes another runtime: the same one, told to open one. */
function inspectedRuntime(folder: string, port: number): string {
  const { default: workerd }: { default: string } = createRequire(import.meta.url)("workerd");
  const launcher = join(folder, "workerd-inspected");
  writeFileSync(launcher, `#!/bin/sh\nexec '${workerd}' "$@" --inspector-addr=127.0.0.1:${port}\n`, { mode: 0o700 });
  return launcher;
}
