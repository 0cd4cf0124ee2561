/** Why a script cannot do its work: one sentence that names the remedy. Shown as it is, with no stack, exit code 1. */
export class CannotStart extends Error {
  override readonly name: string = "CannotStart";
}

/** The sentence of whatever was thrown; a stack only where the fault is ours. */
export function sentenceOf(thrown: unknown): string {
  if (thrown instanceof CannotStart) return thrown.message;
  return thrown instanceof Error ? (thrown.stack ?? thrown.message) : String(thrown);
}

/** The system's name of an error (EADDRINUSE, ENOTDIR …), or "". */
export function codeOf(thrown: unknown): string {
  const code = thrown instanceof Error ? Reflect.get(thrown, "code") : undefined;
  return typeof code === "string" ? code : "";
}

const MAX_LINE = 400;

/** Words of another program's, as a part of one sentence: its lines joined, its length bounded. */
export function oneLine(text: string): string {
  const joined = text.replace(/\s+/g, " ").trim();
  return joined.length > MAX_LINE ? `${joined.slice(0, MAX_LINE)}…` : joined;
}
