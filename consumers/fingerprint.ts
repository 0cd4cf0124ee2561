/**
 * What tells the causes of failures apart: of a thousand failures of one cause each has the same fingerprint. It is made
 * of the error's class and `code`, its message without what differs from case to case, and the first own function of its
 * stack. What is taken out of a message, and what of it stays: docs/design/dead-letters.md.
 * It is a guess: a handler that knows better says so (`fingerprint` of what it throws, handlers/errors.ts).
 */
import { hashKey } from "../core/placement.ts";

/** In quotes stands somebody's name or value, unless a word beside it says that it is a part of the program. */
const QUOTED = /(?<![\w\\])(["'`])((?:\\.|(?!\1)[^\\]){0,1000}?)\1(?!\w)/g;
const PART =
  "actions?|arguments?|attributes?|class|code|columns?|commands?|constraints?|databases?|events?|exports?|fields?|functions?|headers?|imports?|index|keyword|kind|methods?|modules?|near|operators?|options?|packages?|param|parameters?|path|properties|property|reading|relations?|schema|sequences?|setting|tables?|types?|variables?|views?";
const PART_BEFORE = new RegExp(`(?:^|\\W)(?:${PART}|for key|error|message|reason)["'\`]?[\\s:=([]*$`, "i");
const PART_AFTER = new RegExp(`^\\s*(?::|(?:${PART}|is required|is missing|is not allowed|must)\\b)`, "i");

/** Small numbers that say what went wrong, not to whom. */
const TELLING = String.raw`(?:\b(?:status(?:[ _-]?code)?|code|errno|exit|answered|responded(?: with)?|HTTP(?:/[\d.]+)?)["']?[\s:=]{1,3}\d{1,3}\b)`;
const DATE = String.raw`\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d(?:[.,]\d+)?)?(?: ?(?:Z|UTC|GMT|[+-]\d\d:?\d\d))?`;
const DAY_AND_MONTH = "(?:Sun|Mon|Tue|Wed|Thu|Fri|Sat)[a-z]*,? (?:\\d{1,2} [A-Z][a-z]{2}|[A-Z][a-z]{2} \\d{1,2})";
const END = String.raw`[^\s"'\`,;:()<>[\]{}|]`;
/** In this order, the longer kinds first. */
const VARIABLE = new RegExp(
  [
    `(?<told>${TELLING})`,
    // URL, ARN, mail
    String.raw`\b[a-zA-Z][a-zA-Z0-9+.-]{1,15}:\/\/[^\s"'<>\`]+`,
    String.raw`\barn:aws[^\s"'<>\`,]*`,
    String.raw`[\w.+%-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63})+`,
    // A moment
    DATE,
    String.raw`\b${DAY_AND_MONTH}(?: \d{4})? \d\d:\d\d:\d\d(?: (?:GMT|UTC)?(?:[+-]\d{4})?(?: \([A-Za-z ]{1,40}\))?)?`,
    // A path, of Windows too; a relative one by how it begins or by a file's ending
    String.raw`\b[A-Za-z]:\\[^\s"'\`,;:()<>|]*`,
    String.raw`(?<![\w/.~)>])(?:~|\.{1,2})?\/${END}+`,
    String.raw`(?<![\w.@/-])[\w.@-]{1,100}(?:\/[\w.@-]{1,100}){1,20}\.[a-z][a-z0-9]{0,7}\b`,
    // What a key of PostgreSQL is told to hold
    String.raw`(?<=\)=)\([^)]*\)`,
    // IPv6, a time of day
    String.raw`(?<![\w:])(?=[a-fA-F:]*\d)(?:[0-9a-fA-F]{0,4}:){2,8}(?:[0-9a-fA-F]{1,4})?(?!\w)`,
    // UUID, hexadecimal
    "[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}",
    "0x[0-9a-fA-F]+",
    String.raw`\b[0-9a-fA-F]{8,}\b`,
    String.raw`\b(?=[0-9a-fA-F]*\d)[0-9a-fA-F]{4,}\b`,
    // ULID and its like: digits among letters, more than once, or in a long word
    String.raw`\b(?=[A-Za-z]*\d+[A-Za-z]+\d)[A-Za-z0-9]{6,}\b`,
    String.raw`\b(?=[A-Za-z]*\d)[A-Za-z0-9]{12,}\b`,
    String.raw`\b[a-z]{2,8}_(?:[a-z]{2,8}_)?(?=[A-Za-z]*(?:\d|[a-z][A-Z]))[A-Za-z0-9]{8,}\b`,
    String.raw`(?<![\w+/=-])(?=[\w+/=-]*[a-z])(?=[\w+/=-]*[A-Z])(?=[A-Za-z_+/=-]*\d+[A-Za-z_+/=-]+\d)[\w+/-]{16,}={0,2}`,
    String.raw`(?<![\w.])-?\d+(?:[.,]\d+)*`,
    String.raw`\d+`,
  ].join("|"),
  "g",
);
/** A list says no more than one of it. */
const SEVERAL = /#(?:,? ?#)+/g;
/** Frames of the runtime and of libraries say nothing of where a handler went wrong. */
const FOREIGN = /node_modules|\bnode:|\bnative\b|<anonymous>|cloudflare:/;

/** @param name the error's class, with its `code` where it has one. @returns 16 hexadecimal digits */
export function fingerprint(name: string, message: string, stack: string | null): string {
  const cause = `${name}\n${withoutVariables(message)}\n${firstOwnFunction(stack ?? "")}`;
  return hex(hashKey(cause)) + hex(hashKey(`${cause}\n`));
}

/** The message with a `#` for each part that differs between failures of one cause. */
export function withoutVariables(message: string): string {
  return message
    .replace(QUOTED, (quoted: string, _quote: string, _text: string, at: number) => {
      const isPart = PART_BEFORE.test(message.slice(Math.max(0, at - 40), at));
      return isPart || PART_AFTER.test(message.slice(at + quoted.length, at + quoted.length + 20)) ? quoted : "#";
    })
    .replace(VARIABLE, (found: string, told: string | undefined) => (told === undefined ? "#" : found))
    .replace(SEVERAL, "#");
}

/** The function of the first frame of a V8 stack that is not the runtime's; lines and files change with every deploy. */
function firstOwnFunction(stack: string): string {
  for (const line of stack.split("\n")) {
    const frame = /^\s+at (?:async )?(?:new )?(.+?) \(.*\)$/.exec(line);
    if (frame?.[1] !== undefined && !FOREIGN.test(line)) return frame[1];
  }
  return "";
}

function hex(word: number): string {
  return word.toString(16).padStart(8, "0");
}
