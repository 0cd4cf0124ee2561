/** What workerd wraps comes out as the Worker wrote it, however the pipe cuts it. */
import { expect, it } from "vitest";
import { lineUnwrapper } from "../../scripts/commands/serve/unwrap-lines.ts";

const wrap = (message: string) => `${JSON.stringify({ timestamp: 1, level: "log", message })}\n`;
const TOLD = ['{"event":"request","path":"/ä/€/😀"}', "two\nlines", "", 'plain \\ and " quotes'];
const WRAPPED = Buffer.from(`${TOLD.map(wrap).join("")}*** Received signal #11: Segmentation fault\n`);
const EXPECTED = `${TOLD.join("\n")}\n*** Received signal #11: Segmentation fault\n`;

it.each([1, 2, 3, 7, 64, 1_000_000])("lines cut into pieces of %i bytes come out whole", (size) => {
  let out = "";
  const calls: string[] = [];
  const unwrap = lineUnwrapper((lines) => {
    out += lines;
    calls.push(lines);
  });
  for (let at = 0; at < WRAPPED.length; at += size) unwrap(WRAPPED.subarray(at, at + size));
  expect(out).toBe(EXPECTED);
  expect(calls.every((lines) => lines.endsWith("\n"))).toBe(true);
});

it("a line without its end is kept until it comes", () => {
  const calls: string[] = [];
  const unwrap = lineUnwrapper((lines) => calls.push(lines));
  unwrap(Buffer.from(wrap("first") + wrap("second").slice(0, -1)));
  expect(calls).toEqual(["first\n"]);
  unwrap(Buffer.from("\n"));
  expect(calls).toEqual(["first\n", "second\n"]);
});
