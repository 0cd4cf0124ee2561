/**
 * A JSON object's text as it would have been sent without one of its members: what stands before and after it stays as it
 * is, so that what is tried and what is sent have one fingerprint.
 */

/** The same text where it has no such member. @param text of an object, JSON @param name written without escapes */
export function withoutMember(text: string, name: string): string {
  const key = JSON.stringify(name);
  let depth = 0;
  // Where the member under way begins: behind the object's brace, or at the comma before it.
  let from = 0;
  let isFound = false;
  for (let at = 0; at < text.length; at++) {
    const mark = text[at];
    if (mark === '"') {
      const end = endOfString(text, at);
      const isKey = depth === 1 && text.slice(from + 1, at).trim() === "";
      isFound ||= isKey && text.slice(at, end) === key;
      at = end - 1;
    } else if (mark === "{" || mark === "[") {
      if (depth++ === 0) from = at;
    } else if (mark === "}" || mark === "]") {
      if (--depth === 0 && isFound) return cut(text, from, at);
    } else if (mark === "," && depth === 1) {
      if (isFound) return cut(text, from, at);
      from = at;
    }
  }
  return text;
}

/** @param from the mark before the member @param to the mark after it */
function cut(text: string, from: number, to: number): string {
  const end = from + text.slice(from, to).trimEnd().length;
  if (text[from] === ",") return text.slice(0, from) + text.slice(end);
  const space = text.slice(from + 1).length - text.slice(from + 1).trimStart().length;
  const rest = text[to] === "," ? text.slice(to + 1).trimStart() : text.slice(end);
  return text.slice(0, from + 1 + space) + rest;
}

/** Behind its closing quote. @param start at its opening one */
function endOfString(text: string, start: number): number {
  let at = start + 1;
  while (at < text.length && text[at] !== '"') at += text[at] === "\\" ? 2 : 1;
  return at + 1;
}
