/** docs/states.md says what core/moves.ts says: every move stands in the diagram, and every status has its paragraph. */
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { MOVES } from "../../core/moves.ts";
import { isFinished, STATUSES } from "../../core/status.ts";

const page = readFileSync(new URL("../../docs/states.md", import.meta.url), "utf8");
const [, diagram = ""] = /```mermaid\n([\s\S]*?)```/.exec(page) ?? [];
const sections = new Map(
  page.split(/^## /m).flatMap((part) => {
    const [title = "", ...rest] = part.split("\n");
    return /^[A-Z]+$/.test(title) ? [[title, rest.join("\n")] as const] : [];
  }),
);

describe("docs/states.md", () => {
  it("draws exactly the moves of core/moves.ts", () => {
    const drawn = Array.from(diagram.matchAll(/^ {2}(\S+) --> (\S+): (\S+)$/gm), ([, from, to, event]) => ({
      from: from === "[*]" ? "NEW" : from,
      event,
      to,
    }));
    expect(drawn).toEqual(MOVES);
    expect(diagram.trim().split("\n")).toHaveLength(MOVES.length + 1);
  });

  it("has a paragraph a status, in their order, which says who leaves it", () => {
    expect([...sections.keys()]).toEqual(STATUSES);
    for (const status of STATUSES) {
      const leavesNever = sections.get(status)?.includes("Leaves: never.");
      expect([status, leavesNever]).toEqual([status, isFinished(status)]);
    }
  });
});
