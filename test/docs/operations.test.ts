/** docs/operations.md has every error code as core/errors.ts has it: an operator looks them up. */
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { END_CODES, ERRORS } from "../../core/errors.ts";

const page = readFileSync(new URL("../../docs/operations.md", import.meta.url), "utf8");
const rows = page.split("\n").flatMap((line) => (line.startsWith("| `") ? [line.split(" | ")] : []));
const codeOf = (row: readonly string[]) => row[0]?.replace(/^\| /, "").replaceAll("`", "") ?? "";

describe("docs/operations.md", () => {
  it("has each code of a problem once, in order, with its status and whether to come again", () => {
    const told = rows.filter((row) => /^\d{3}$/.test(row[1] ?? ""));
    const expected = Object.entries(ERRORS).map(([code, { status, retryable }]) => [
      code,
      String(status),
      retryable ? "yes" : "no",
    ]);
    expect(told.map((row) => [codeOf(row), row[1], row[2]])).toEqual(expected);
  });

  it("has each way in which a task may end badly", () => {
    const below = page.slice(page.indexOf("`error.code` of a task"));
    const told = Array.from(below.matchAll(/^\| `([a-z-]+)` \|/gm), ([, code]) => code);
    expect(told).toEqual(END_CODES);
  });
});
