/** A state folder that is damaged: a start names the file and the remedy; one shard's damage is that shard's alone. */
import { spawnSync } from "node:child_process";
import {
  chmodSync,
  cpSync,
  mkdtempSync,
  openSync,
  readdirSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Client } from "../support/node/client.ts";
import { NODE, refusedStart } from "../support/node/refused-start.ts";
import { startService } from "../support/node/service.ts";

const scratch = mkdtempSync(join(tmpdir(), "sluice-damaged-"));
const whole = join(scratch, "whole");
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

beforeAll(async () => {
  await using service = await startService({ state: whole });
  const client = new Client(service.url);
  await client.putQueue("other");
  for (const queue of ["default", "other"])
    await client.ended(await client.submit({ type: "echo", payload: 1, queue }));
  await service.stop();
});

/** A copy of the state whose databases are whole files: nothing of them is in a log beside them. */
function copy(name: string): string {
  const state = join(scratch, name);
  cpSync(whole, state, { recursive: true });
  for (const path of databases(state)) {
    const database = new DatabaseSync(path);
    database.exec("PRAGMA wal_checkpoint(TRUNCATE)");
    database.close();
  }
  return state;
}

function databases(state: string, of: RegExp = /./): string[] {
  const paths = readdirSync(state, { recursive: true, encoding: "utf8" }).map((path) => join(state, path));
  return paths.filter((path) => path.endsWith(".sqlite") && of.test(path));
}

const NOISE = Buffer.from("no page of a database ".repeat(10_000));
const overwrite = (path: string) => writeFileSync(path, NOISE);
function overwriteAllButHead(path: string): void {
  const HEAD = 4_096;
  writeSync(openSync(path, "r+"), NOISE.subarray(0, statSync(path).size - HEAD), 0, undefined, HEAD);
}

const D1 = /miniflare-D1DatabaseObject.[0-9a-f]{64}\.sqlite$/;
const SHARD = /sluice-QueueShard.[0-9a-f]{64}\.sqlite$/;

describe("196 a start on a damaged state folder says which file it is, and the remedy, in one sentence", () => {
  it.each<[string, RegExp, (path: string) => void]>([
    ["a history database", D1, overwrite],
    ["every object's database", /sluice-(Directory|QueueShard)/, overwrite],
    ["the runtime's list of objects", /QueueShard.metadata/, overwrite],
    ["a history database but its first page", D1, overwriteAllButHead],
  ])("%s overwritten", (what, of, damage) => {
    const state = copy(what);
    const damaged = databases(state, of);
    expect(damaged.length).toBeGreaterThan(0);
    for (const path of damaged) damage(path);
    const said = refusedStart(["--port", "0", "--state", state]);
    const sentence =
      /^Sluice cannot start\. (\/.*\.sqlite) is damaged \([^\n]*\): restore the state folder from a copy, or choose another with STATE_DIR\.\n$/;
    expect(said).toMatch(sentence);
    expect(damaged).toContain(sentence.exec(said)?.[1]);
  });

  const nobody = process.getuid?.() === 0 ? { uid: 65_534, gid: 65_534 } : {};
  // Root reads everything; where the project's folder is closed to other users, nobody cannot even begin.
  it.skipIf(spawnSync(NODE, ["--version"], nobody).status !== 0)("a database that this user may not read", () => {
    const state = copy("unreadable");
    chmodSync(scratch, 0o755);
    spawnSync("chmod", ["-R", "a+rwX", state]);
    const [path = ""] = databases(state, D1);
    chmodSync(path, 0o000);
    expect(refusedStart(["--port", "0", "--state", state], {}, nobody)).toBe(
      `Sluice cannot start. This user may not use ${path} of the state folder (EACCES): change its owner, or choose another folder with STATE_DIR.\n`,
    );
  });
});

it("196 one shard's database overwritten: that shard answers 503, and the others serve", async () => {
  const state = copy("shard");
  const shards = databases(state, SHARD);
  expect(shards).toHaveLength(2);
  overwrite(shards[0] ?? "");
  await using service = await startService({ state });
  const client = new Client(service.url);
  const submit = (queue: string) =>
    client.call<{ id: string }>("POST", "/tasks/submissions", { type: "echo", payload: 2, queue });
  const answers = [await submit("default"), await submit("other")];
  expect(answers.map(({ status }) => status).sort()).toEqual([202, 503]);
  const accepted = answers.find(({ status }) => status === 202);
  expect(await client.ended(accepted?.body.id ?? "")).toMatchObject({ status: "SUCCEEDED" });
});
