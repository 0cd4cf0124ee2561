import { expect, it } from "vitest";
import { withoutMember } from "../../core/without-member.ts";

const BODY = { type: "echo", payload: { dryRun: true, text: 'a "dryRun", {[', list: [{ dryRun: 1 }] }, tags: ["\\"] };

it.each([
  ["compact", (value: object) => JSON.stringify(value)],
  ["indented", (value: object) => JSON.stringify(value, null, 2)],
  ["spaced", (value: object) => JSON.stringify(value, null, 1).replaceAll(/\n */g, " ").replaceAll("{ ", "{")],
])("283 a body that is only tried is the one that is sent but for that, wherever it says so (%s)", (_, write) => {
  const { type, ...rest } = BODY;
  for (const tried of [
    { dryRun: true, ...BODY },
    { type, dryRun: false, ...rest },
    { ...BODY, dryRun: { deep: [1, "}"] } },
  ])
    expect(withoutMember(write(tried), "dryRun")).toBe(write(BODY));
  expect(withoutMember(write(BODY), "dryRun")).toBe(write(BODY));
  expect(withoutMember('{"dryRun":true}', "dryRun")).toBe("{}");
});
