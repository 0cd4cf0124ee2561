/**
 * The import law (docs/design, folders) as a table: who may import what, and who reads clock and chance. The first area
 * whose folder fits a file decides. A rule is a sentence, because whoever breaks it reads it.
 */

export interface Area {
  readonly files: RegExp;
  /** Project files it may import, by path from the project's root, and packages, by specifier. */
  readonly may: readonly RegExp[];
  readonly rule: string;
  /** Whether it may read the clock, draw numbers and set timers by itself. */
  readonly hasClock?: boolean;
}

const CORE = /^core\//;
const SCHEMA = /^core\/schema\//;
const READS = /^reads\//;
const STUBS = /^durable-objects\/stubs\.ts$/;
const ZOD = /^zod(\/|$)/;
const WORKERS = /^cloudflare:workers$/;
const ANY = /(?:)/;
const NOT_SRC = /^(?!src\/)/;

export const AREAS: readonly Area[] = [
  {
    files: /^core\//,
    may: [CORE, ZOD, /^croner$/, /^cronstrue$/, /^decimal\.js$/],
    rule: "core imports core, zod, croner, cronstrue and decimal.js, and nobody else",
  },
  {
    files: /^ports\.ts$/,
    may: [CORE, /^durable-objects\//, /^consumers\/handlers\/(registry|compose)\.ts$/, WORKERS],
    rule: "ports.ts binds core/ports.ts to Cloudflare: core, the objects' types and the registry of handlers",
    hasClock: true,
  },
  {
    files: /^src\/index\.ts$/,
    may: [CORE, /^src\//, /^ports\.ts$/, /^consumers\/handlers\/registry\.ts$/, /^durable-objects\/[a-z-]+\.ts$/],
    rule: "the entry imports src, ports.ts, the registry and the objects' classes",
  },
  {
    files: /^src\//,
    may: [
      CORE,
      /^src\//,
      READS,
      STUBS,
      /^history\//,
      /^ports\.ts$/,
      /^consumers\/(index\.ts|handlers\/)/,
      ZOD,
      /^hono(\/|$)/,
      WORKERS,
    ],
    rule: "src reaches objects through durable-objects/stubs.ts, and imports core, reads, history, consumers/index.ts and the handlers",
  },
  {
    files: /^consumers\/handlers\//,
    may: [CORE, /^consumers\/handlers\//, ZOD, /^decimal\.js$/],
    rule: "a handler imports core and its neighbours",
    hasClock: true,
  },
  {
    files: /^consumers\//,
    may: [CORE, /^consumers\//, STUBS, /^ports\.ts$/, ZOD, WORKERS],
    rule: "consumers reach objects through durable-objects/stubs.ts, and import core",
  },
  {
    files: /^durable-objects\/sql\/node[a-z-]*\.ts$/,
    may: [CORE, /^durable-objects\/sql\//, /^node:sqlite$/],
    rule: "the adapter of node:sqlite imports node:sqlite and its own folder",
  },
  {
    files: /^durable-objects\//,
    may: [CORE, /^durable-objects\/(?!sql\/node)/, READS, /^history\//, /^ports\.ts$/, WORKERS],
    rule: "objects import core, reads, history and each other's stubs; never src, consumers or Node",
  },
  {
    files: /^reads\//,
    may: [CORE, READS, STUBS, /^history\//],
    rule: "reads, which the door and LiveFeed share, import core, history and themselves, and reach objects through durable-objects/stubs.ts",
  },
  {
    files: /^history\//,
    may: [CORE, /^history\//],
    rule: "history imports core and itself",
  },
  {
    files: /^(client|cli|dashboard)\//,
    may: [SCHEMA, /^client\//, /^(cli|dashboard)\//, ZOD, /^node:/, WORKERS],
    rule: "client, cli and dashboard see core/schema, and go through client",
    hasClock: true,
  },
  {
    files: /^(scripts|examples)\//,
    may: [NOT_SRC],
    rule: "nothing imports src but wrangler, the benches' Worker and tests",
    hasClock: true,
  },
  {
    files: /^(bench|test)\/|^vitest\.config\.ts$/,
    may: [ANY],
    rule: "tests and benches may import anything",
    hasClock: true,
  },
];

/** What only ports.ts may read; called by name. */
export const HIDDEN_CLOCK: ReadonlyMap<string, string> = new Map([
  ["Date.now", "the clock is a parameter or Ports.now()"],
  ["performance.now", "the clock is a parameter or Ports.now()"],
  ["new Date", "the clock is a parameter or Ports.now(): new Date() without arguments reads it"],
  ["Math.random", "chance is a parameter or Ports.random()"],
  ["crypto.randomUUID", "chance is a parameter or Ports.uuid()"],
  ["randomUUID", "chance is a parameter or Ports.uuid()"],
  ["crypto.getRandomValues", "chance is a parameter or Ports.random()"],
  ["setTimeout", "timers are Ports.later()"],
  ["setInterval", "timers are Ports.later()"],
]);
