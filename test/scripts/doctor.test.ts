/** The doctor names each fault of a wrangler.toml, starting from the one that ships. */
import { resolve } from "node:path";
import { describe, expect, it } from "vitest";
import { unstable_readConfig } from "wrangler";
import { type Config, inspectConfig } from "../../scripts/commands/doctor/inspect-config.ts";
import { inspectNode } from "../../scripts/commands/doctor/inspect-dependencies.ts";

const WRANGLER_TOML = resolve(import.meta.dirname, "../../wrangler.toml");
const shipped: Config = unstable_readConfig({ config: WRANGLER_TOML }, { hideWarnings: true });
const { queues, d1_databases, durable_objects } = shipped;
const { producers = [], consumers = [] } = queues;

const told = (config: Partial<Config>, env: Record<string, string> = {}) =>
  inspectConfig({ ...shipped, ...config }, env).map(({ state, what, detail }) => `${state} ${what}: ${detail}`);

describe("the doctor", () => {
  it("finds nothing in the configuration that ships", () => {
    expect(told({})).toEqual(["ok wrangler.toml: binds what the Worker reads"]);
  });

  it.each<[string, Partial<Config>, RegExp]>([
    [
      "an object that is not bound",
      { durable_objects: { bindings: durable_objects.bindings.filter(({ name }) => name !== "DIRECTORY") } },
      /^FAULT DIRECTORY: is not bound\. Bind DIRECTORY under \[\[durable_objects\.bindings\]\]/,
    ],
    [
      "a class that no migration makes",
      { migrations: [] },
      /^FAULT QUEUE_SHARD: no \[\[migrations\]\] makes QueueShard/,
    ],
    ["a history without a database", { d1_databases: [] }, /^FAULT HISTORY_0: is not bound/],
    [
      "a history without tables",
      { d1_databases: d1_databases.map(({ migrations_dir: _, ...database }) => database) },
      /^FAULT HISTORY_0: it gets no tables\. Set migrations_dir/,
    ],
    [
      "a ticket queue that nobody consumes",
      { queues: { producers, consumers: consumers.filter(({ queue }) => queue !== "sluice-tickets-2") } },
      /^FAULT TICKETS_2: nothing consumes the queue sluice-tickets-2/,
    ],
    [
      "dead tickets that nobody consumes",
      { queues: { producers, consumers: consumers.filter(({ queue }) => queue !== "sluice-dead-tickets") } },
      /^warning TICKETS_0: nothing consumes its dead letters/,
    ],
    [
      "a limit that CPU_MS does not know of",
      { limits: { cpu_ms: 60_000 } },
      /^warning CPU_MS: is 30000 .* is 60000\. Set both/,
    ],
    [
      "a CPU_MS that the default lease does not outlast",
      { limits: { cpu_ms: 60_000 }, vars: { CPU_MS: 60_000 } },
      /^warning CPU_MS: 60000 is too much for the default leaseMs/,
    ],
    ["a wrong var", { vars: { LOG_LEVEL: "loud" } }, /^warning LOG_LEVEL: .*Set LOG_LEVEL to one of debug/],
  ])("names %s", (_what, config, sentence) => {
    expect(told(config)[0]).toMatch(sentence);
  });

  it("judges what the environment puts over wrangler.toml", () => {
    expect(told({}, { BODY_LIMIT: "much" })).toEqual([
      expect.stringMatching(/^warning BODY_LIMIT: .*Set BODY_LIMIT to bytes/),
    ]);
  });

  it.each([
    ["20.20.2", "FAULT"],
    ["22.17.1", "FAULT"],
    ["22.18.0", "ok"],
    ["26.10.0", "ok"],
  ])("Node %s: %s", (version, state) => {
    expect(inspectNode(version).state).toBe(state);
  });
});
