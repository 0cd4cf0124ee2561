/** `npm start` itself: when it says ready, why it does not start, how it ends, and what survives. */
import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { refusedStart } from "../support/node/refused-start.ts";
import { type Service, startService } from "../support/node/service.ts";
import { waitFor } from "../support/node/wait-for.ts";

const ROOT = resolve(import.meta.dirname, "../..");
const scratch = mkdtempSync(join(tmpdir(), "sluice-serve-"));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

const json = async <T>(response: Response): Promise<T> => (await response.json()) as T;

async function submit(service: Service, task: object): Promise<string> {
  const response = await fetch(`${service.url}/tasks/submissions`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(task),
  });
  expect(response.status).toBe(202);
  return (await json<{ id: string }>(response)).id;
}

async function submission(
  service: Service,
  id: string,
  wait = 0,
): Promise<{ status: string; attempts: { outcome: string | null }[] }> {
  return await json(await fetch(`${service.url}/tasks/submissions/${id}?wait=${wait}`));
}

/** Gone, or dead and not yet fetched by its parent. */
function isDead(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return existsSync("/proc/self/stat") && / Z /.test(readFileSync(`/proc/${pid}/stat`, "utf8"));
  } catch {
    return true;
  }
}

describe("a running service", () => {
  let service: Service;
  beforeAll(async () => {
    service = await startService();
  });
  afterAll(async () => await service[Symbol.asyncDispose]());

  it("196 names a taken port and how to take another", () => {
    const port = new URL(service.url).port;
    expect(refusedStart(["--port", port, "--state", join(scratch, "other")])).toBe(
      `Sluice cannot start. Port ${port} is taken: stop what listens there, or choose another, for example PORT=${Number(port) + 1}.\n`,
    );
  });

  it("196 names the service that has the state folder", () => {
    expect(refusedStart(["--port", "0"], { STATE_DIR: service.state })).toMatch(
      /^Sluice cannot start\. Another Sluice \(process \d+, port \d+, since .*Z\) uses the state folder .*: stop it, or set STATE_DIR to another folder\.\n$/,
    );
  });

  it("A10 192 passes the Worker's log lines on, one JSON text a line", async () => {
    await fetch(`${service.url}/nowhere`, { headers: { "x-request-id": "seen-in-the-log" } });
    const line = await waitFor(() => service.logs.out.find((text) => text.includes("seen-in-the-log")), {
      what: "the request's log line",
    });
    expect(JSON.parse(line)).toMatchObject({ event: "request", requestId: "seen-in-the-log", status: 404 });
  });

  it("198 replaces a runtime that is killed, on the same port, with the data there", async () => {
    const id = await submit(service, { type: "echo", payload: "before" });
    expect((await submission(service, id, 20)).status).toBe("SUCCEEDED");
    await service.killWorkerd();
    expect((await submission(service, id, 20)).status).toBe("SUCCEEDED");
    const next = await submit(service, { type: "echo", payload: "after" });
    expect((await submission(service, next, 20)).status).toBe("SUCCEEDED");
    expect(service.logs.err.join("\n")).toMatch(/The runtime \(process \d+\) died of SIGKILL/);
  });

  it("198 replaces one that is killed while it starts", async () => {
    const id = await submit(service, { type: "echo", payload: "twice" });
    const victim = Number(service.workerdPid());
    process.kill(victim, "SIGKILL");
    const isAnother = () => service.workerdPid() !== victim && service.workerdPid();
    const next = await waitFor(isAnother, { what: "another runtime's number" });
    process.kill(next, "SIGKILL");
    const isBack = async () => (await fetch(`${service.url}/health/live`)).ok;
    await waitFor(() => isBack().catch(() => false), { what: "a third runtime", timeoutMs: 30_000 });
    expect((await submission(service, id, 20)).status).toBe("SUCCEEDED");
    expect(service.logs.err.join("\n")).not.toMatch(/^\s+at /m);
    const died = service.logs.err.filter((line) => line.includes("died of SIGKILL"));
    expect(died).toEqual(
      expect.arrayContaining([victim, next].map((pid) => expect.stringContaining(`(process ${pid})`))),
    );
  });

  it("196 keeps what it knew over a stop and a start", async () => {
    const id = await submit(service, { type: "echo", payload: "kept" });
    expect((await submission(service, id, 20)).status).toBe("SUCCEEDED");
    expect(await service.stop("SIGINT")).toBe(0);
    await service.restart();
    expect((await submission(service, id)).status).toBe("SUCCEEDED");
  });
});

describe("a Worker that talks too much", () => {
  it("192 loses no line and holds nobody up, though each burst is forty times what the pipe holds", async () => {
    await using service = await startService({ entry: "test/support/workerd/chatty.ts" });
    const LINES = 2_500;
    const said = await Promise.all([1, 2, 3].map(() => fetch(`${service.url}/chatter?lines=${LINES}`)));
    expect(said.map(({ status }) => status)).toEqual([200, 200, 200]);
    const chatter = () => service.logs.out.filter((line) => line.startsWith('{"chatter"'));
    await waitFor(() => chatter().length === 3 * LINES, { what: "every line has come" });
    const numbers = chatter().map((line): number => JSON.parse(line).chatter);
    expect(numbers).toEqual([1, 2, 3].flatMap(() => Array.from({ length: LINES }, (_, n) => n)));
  });
});

describe("what is in the way of a start", () => {
  const file = join(scratch, "file");
  writeFileSync(file, "");
  it.each([
    [
      "a state folder that is a file",
      ["--port", "0", "--state", file],
      /^Sluice cannot start\. The state folder .*file is a file, or lies below one: choose another folder with STATE_DIR\.\n$/,
    ],
    ["a state folder below a file", ["--port", "0", "--state", join(file, "x")], /is a file, or lies below one/],
    [
      "a state folder where none can be made",
      // Linux refuses it with ENOENT though /proc exists; elsewhere no /proc exists, and none can be made by just anyone.
      ["--port", "0", "--state", "/proc/sluice/state"],
      /^Sluice cannot start\. .*state folder \/proc\/sluice\/state.*STATE_DIR\.\n$/,
    ],
    ["a port that is none", ["--port", "80x"], /--port is "80x": set it to a port from 0 to 65535, or remove it\.\n$/],
    ["an unknown flag", ["--prot", "1"], /Unknown option '--prot'/],
    [
      "an entry that does not build",
      ["--port", "0", "--state", join(scratch, "s"), "--entry", `${file}.ts`],
      /The Worker does not build: Could not resolve .*file\.ts/,
    ],
  ])("C6 196 %s is said in one sentence", (_what, args, sentence) => {
    expect(refusedStart(args)).toMatch(sentence);
  });

  it("196 a lock that is no lock is said in one sentence", () => {
    const state = mkdtempSync(join(scratch, "locked-"));
    writeFileSync(join(state, "service.lock"), "not a database, whatever else it may be ".repeat(100));
    expect(refusedStart(["--port", "0", "--state", state])).toMatch(
      /The lock .*service\.lock is not a lock of Sluice's: remove it/,
    );
  });
});

describe("an end", () => {
  it("D3 197 by SIGTERM gives running tasks DRAIN_SECONDS, and exits with 0", async () => {
    await using service = await startService({ env: { DRAIN_SECONDS: "20" } });
    const id = await submit(service, { type: "sleep", payload: { ms: 1_500 } });
    await waitFor(async () => (await submission(service, id)).status === "RUNNING", { what: "the task runs" });
    expect(await service.stop()).toBe(0);
    await service.restart();
    const { status, attempts } = await submission(service, id);
    expect({ status, attempts: attempts.length }).toEqual({ status: "SUCCEEDED", attempts: 1 });
  });

  it("D3 197 by SIGINT hands back a task that outlasts DRAIN_SECONDS; it runs again without having lost an attempt", async () => {
    await using service = await startService({ env: { DRAIN_SECONDS: "1" } });
    const id = await submit(service, { type: "sleep", payload: { ms: 3_000 }, retry: { maxAttempts: 1 } });
    await waitFor(async () => (await submission(service, id)).status === "RUNNING", { what: "the task runs" });
    const since = performance.now();
    expect(await service.stop("SIGINT")).toBe(0);
    expect(performance.now() - since).toBeLessThan(3_000);
    expect(service.logs.err.join("\n")).toContain("SIGINT: running tasks have 1 s to end.");
    await service.restart();
    const { status, attempts } = await submission(service, id, 30);
    const outcomes = attempts.map((attempt) => attempt.outcome);
    expect({ status, outcomes }).toEqual({ status: "SUCCEEDED", outcomes: ["returned", "succeeded"] });
  });

  it("197 by a second signal is at once", async () => {
    await using service = await startService();
    const id = await submit(service, { type: "sleep", payload: { ms: 30_000 } });
    await waitFor(async () => (await submission(service, id)).status === "RUNNING", { what: "the task runs" });
    const stopped = service.stop();
    await waitFor(() => service.logs.err.some((line) => line.startsWith("SIGTERM")), { what: "the drain has begun" });
    const since = performance.now();
    // Within half a second a second signal is taken for npm's copy of the first.
    const again = setInterval(() => process.kill(service.pid, "SIGTERM"), 200);
    expect(await stopped.finally(() => clearInterval(again))).toBe(128 + 15);
    expect(performance.now() - since).toBeLessThan(3_000);
  });

  it("197 comes though the runtime computes for ever", async () => {
    await using service = await startService({
      entry: "test/support/workerd/chatty.ts",
      env: { DRAIN_SECONDS: "1" },
    });
    fetch(`${service.url}/stuck`).catch(() => {});
    const isStuck = () =>
      fetch(`${service.url}/health/live`, { signal: AbortSignal.timeout(500) }).then(
        () => false,
        () => true,
      );
    await waitFor(isStuck, { what: "nothing answers any more" });
    expect(await service.stop()).toBe(0);
    expect(service.logs.err.at(-1)).toMatch(/^Stopped after \d+ ms; the drain had not ended by then: /);
  });

  it("198 by SIGKILL of the server alone leaves no runtime behind", async () => {
    await using service = await startService();
    const runtime = service.workerdPid() ?? 0;
    expect(isDead(runtime)).toBe(false);
    process.kill(service.pid, "SIGKILL");
    await waitFor(() => isDead(runtime), { what: "the runtime is dead too" });
    await service.restart();
    expect((await fetch(`${service.url}/health/ready`)).status).toBe(200);
  });

  it("198 by SIGKILL of its whole group leaves no runtime behind", async () => {
    await using service = await startService();
    const runtime = service.workerdPid() ?? 0;
    expect(isDead(runtime)).toBe(false);
    process.kill(-service.pid, "SIGKILL");
    await waitFor(() => isDead(runtime), { what: "the runtime is dead too" });
  });

  it("D3 197 by SIGTERM to the whole group drains all the same, and leaves no runtime behind", async () => {
    await using service = await startService({ env: { DRAIN_SECONDS: "20" } });
    const runtime = service.workerdPid() ?? 0;
    const id = await submit(service, { type: "sleep", payload: { ms: 1_500 }, onCrash: "fail" });
    await waitFor(async () => (await submission(service, id)).status === "RUNNING", { what: "the task runs" });
    expect(await service.stopGroup()).toBe(0);
    expect(service.logs.err.at(-1)).toMatch(/^Stopped after \d+ ms\.$/);
    await waitFor(() => isDead(runtime), { what: "the runtime is dead too" });
    await service.restart();
    const { status, attempts } = await submission(service, id);
    const outcomes = attempts.map((attempt) => attempt.outcome);
    expect({ status, outcomes }).toEqual({ status: "SUCCEEDED", outcomes: ["succeeded"] });
  });

  it("197 comes through npm as well", async () => {
    const state = join(scratch, "npm");
    const npm = spawn("npm", ["start", "--", "--port", "0", "--state", state], {
      cwd: ROOT,
      detached: true,
      stdio: ["ignore", "pipe", "pipe"],
    });
    let said = "";
    npm.stdout.on("data", (chunk) => (said += chunk));
    await waitFor(() => said.includes("Sluice is ready on"), { what: "npm start is ready", timeoutMs: 60_000 });
    npm.kill("SIGTERM");
    const code = await new Promise((exit) => npm.once("exit", exit));
    await waitFor(() => !existsSync(join(state, "service.json")), { what: "the service has cleaned up" });
    expect(code).toBe(0);
  });
});
