/** That the documents' checker sees what is missing on either side. */
import { describe, expect, it } from "vitest";
import { citationsOf, compare } from "../../scripts/commands/check/check-docs.ts";

const cite = (...ids: string[]) => ids.map((id) => ({ id, at: "test/a.test.ts:1" }));
const SPEC = "- **101** One.\n- **102** Two.";
const ROWS =
  "| row | what | status |\n|---|---|---|\n| A1 | one | done |\n| A2 | two | issue 4 |\n| A3 | part | issue 5 |";

describe("names of tests", () => {
  it.each([
    ['it("101 102 a submission", f)', ["101", "102"]],
    ['it("101 B1 D4 202 with an id", f)', ["101", "B1", "D4"]],
    ['it("B1 D4 101 is on disk", f)', ["B1", "D4", "101"]],
    ['it("A2 101 100 requests", f)', ["A2", "101"]],
    ['describe("1xx what waits", f)', ["1xx"]],
    ['test.each([[1], [2]])("A10 %s", f)', ["A10"]],
    [`it.only(\`B1 with \${x}\`, f)`, ["B1"]],
    ['it("2,000 mixed tasks", f); it("A word", f); other("101", f)', []],
  ])("%s", (text, ids) => {
    expect(citationsOf("a.test.ts", text).map(({ id }) => id)).toEqual(ids);
  });

  it("are found by line", () => {
    expect(citationsOf("a.test.ts", '\n\nit("101", f)')).toEqual([{ id: "101", at: "a.test.ts:3" }]);
  });
});

describe("documents and tests", () => {
  it("that agree are let be", () => {
    const found = compare({ spec: SPEC, requirements: ROWS }, cite("101", "102", "A1"));
    expect(found).toEqual({ faults: [], pending: [] });
  });

  it.each([
    ["a rule without a test", SPEC, ROWS, ["101", "A1"], ["docs/spec.md: rule 102 has no test"]],
    [
      "a rule that is there twice",
      `${SPEC}\n**101** again`,
      ROWS,
      ["101", "102", "A1"],
      ["docs/spec.md: rule 101 is there twice"],
    ],
    [
      "a done row without a test",
      SPEC,
      ROWS,
      ["101", "102"],
      ["docs/requirements.md: row A1 is claimed and has no test"],
    ],
    [
      "an invented rule",
      SPEC,
      ROWS,
      ["101", "102", "A1", "199"],
      ["test/a.test.ts:1: begins with 199, which is no rule of docs/spec.md"],
    ],
    [
      "an invented row",
      SPEC,
      ROWS,
      ["101", "102", "A1", "Z9"],
      ["test/a.test.ts:1: begins with Z9, which is no row of docs/requirements.md"],
    ],
  ])("%s is told", (_what, spec, requirements, ids, faults) => {
    expect(compare({ spec, requirements }, cite(...ids)).faults).toEqual(faults);
  });

  it("what is not written yet is only noted", () => {
    const found = compare({ spec: null, requirements: null }, cite("101", "1xx", "A1"));
    expect(found.faults).toEqual([]);
    expect(found.pending).toHaveLength(3);
  });
});
