/** What wrangler says of a wrangler.toml that it cannot use, in one sentence: its own words have lines, a stack or a list. */
import { oneLine } from "./cannot-start.ts";

/** @param path of the file, as it is to be named */
export function explainConfig(path: string, thrown: unknown): string {
  const said = thrown instanceof Error ? thrown.message : String(thrown);
  // "Processing wrangler.toml configuration:", then an indented line a fault.
  const faults = said
    .split("\n")
    .filter((line) => line.trim() !== "" && !/^Processing .* configuration:$/.test(line.trim()))
    .map((line) => line.trim().replace(/^- /, "").replace(/\.$/, ""));
  const line = Reflect.get(Object(Reflect.get(Object(thrown), "location")), "line");
  const at = typeof line === "number" ? ` (line ${line})` : "";
  return `${path} cannot be used: ${oneLine(faults.join("; "))}${at}. Mend it, or take the one that ships.`;
}
