/** Several start-ups at once on one state folder: one serves, the others say why they do not. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { expect, it } from "vitest";
import { Client } from "../support/node/client.ts";
import { waitFor } from "../support/node/wait-for.ts";

const ROOT = resolve(import.meta.dirname, "../..");
const STARTS = 6;

interface Start {
  readonly process: ChildProcess;
  out: string;
  err: string;
}

function start(state: string): Start {
  const args = [join(ROOT, "scripts/serve.cjs"), "--port", "0", "--state", state];
  const child = spawn(join(ROOT, "node_modules/.bin/node"), args, { cwd: ROOT, stdio: ["ignore", "pipe", "pipe"] });
  const started: Start = { process: child, out: "", err: "" };
  child.stdout.on("data", (chunk) => (started.out += chunk));
  child.stderr.on("data", (chunk) => (started.err += chunk));
  return started;
}

it("C3 196 six start at once on one state folder: one serves, the others end with one sentence and no silent exit", async () => {
  const state = mkdtempSync(join(tmpdir(), "sluice-starts-"));
  const starts = Array.from({ length: STARTS }, () => start(state));
  try {
    const losers = () => starts.filter(({ process }) => process.exitCode !== null);
    await waitFor(() => losers().length === STARTS - 1, { what: "all but one have given up", timeoutMs: 60_000 });
    for (const { process, out, err } of losers()) {
      expect({ code: process.exitCode, out }).toEqual({ code: 1, out: "" });
      expect(err).toMatch(
        /^Sluice cannot start\. Another Sluice .*uses the state folder .*: stop it, or set STATE_DIR to another folder\.\n$/,
      );
    }
    const [winner] = starts.filter((one) => !losers().includes(one));
    const ready = () => /^Sluice is ready on http:\/\/localhost:(\d+)$/m.exec(winner?.out ?? "")?.[1];
    const port = await waitFor(ready, { what: "the one that is left serves", timeoutMs: 60_000 });
    const client = new Client(`http://127.0.0.1:${port}`);
    expect(await client.ended(await client.submit({ type: "echo", payload: 1 }))).toMatchObject({
      status: "SUCCEEDED",
    });
  } finally {
    for (const { process } of starts)
      if (process.exitCode === null && process.kill("SIGTERM")) await once(process, "exit");
    rmSync(state, { recursive: true, force: true });
  }
});

it("198 a first start whose runtimes are killed comes through: the tables are there before anyone is served, and no stack is told", async () => {
  const state = mkdtempSync(join(tmpdir(), "sluice-killed-"));
  const started = start(state);
  const runtime = (): number | null => {
    try {
      return (
        Number(Reflect.get(Object(JSON.parse(readFileSync(join(state, "service.json"), "utf8"))), "runtime")) || null
      );
    } catch {
      return null;
    }
  };
  const killed = new Set<number>();
  const kill = async () => {
    const pid = await waitFor(() => (killed.has(runtime() ?? 0) ? null : runtime()), { what: "another runtime" });
    process.kill(pid, "SIGKILL");
    killed.add(pid);
  };
  try {
    // While the databases are migrated; while the service starts.
    for (let i = 0; i < 3; i++) await kill();
    const ready = () => /^Sluice is ready on http:\/\/localhost:(\d+)$/m.exec(started.out)?.[1];
    const port = await waitFor(ready, { what: "it serves all the same", timeoutMs: 60_000 });
    await kill();
    const url = `http://127.0.0.1:${port}`;
    const back = async () => (await fetch(`${url}/health/ready`)).ok;
    await waitFor(() => back().catch(() => false), { what: "it is back", timeoutMs: 30_000 });
    const client = new Client(url);
    expect(await client.ended(await client.submit({ type: "echo", payload: 1 }))).toMatchObject({
      status: "SUCCEEDED",
    });
    expect([started.process.exitCode, started.err]).toEqual([null, expect.not.stringMatching(/^\s+at |fetch failed/m)]);
  } finally {
    if (started.process.exitCode === null && started.process.kill("SIGTERM")) await once(started.process, "exit");
    rmSync(state, { recursive: true, force: true });
  }
});
