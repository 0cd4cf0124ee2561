/**
 * Keeps the documents and the tests to each other. docs/spec.md has rules numbered like **101**, each observable: each
 * has a test whose name begins with the number. docs/requirements.md has a table whose first column is the row (A1); a
 * row whose status is `done` or `part` has a test whose name begins with it. Names begin with rows, then rule numbers,
 * then words: "B1 D4 101 a submission is …". Whole hundreds are words, and so is a number after rows after numbers.
 */
import { existsSync, globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { readModule } from "./read-module.ts";

export interface Cited {
  /** 101, or A1. */
  readonly id: string;
  /** test/core/cron.test.ts:12 */
  readonly at: string;
}

export interface Documents {
  /** null: not written yet. */
  readonly spec: string | null;
  readonly requirements: string | null;
}

/**
 * Sentences about what does not fit.
 * @param isStrict a document that is missing, and a test that waits for its number ("1xx …"), are faults too
 */
export function checkDocs(root: string, isStrict: boolean): { faults: string[]; notes: string[] } {
  const read = (path: string) => (existsSync(join(root, path)) ? readFileSync(join(root, path), "utf8") : null);
  const cited: Cited[] = [];
  for (const file of globSync("test/**/*.ts", { cwd: root }))
    cited.push(...citationsOf(file, readFileSync(join(root, file), "utf8")));
  const documents = { spec: read("docs/spec.md"), requirements: read("docs/requirements.md") };
  const { faults, pending } = compare(documents, cited);
  return isStrict ? { faults: [...faults, ...pending], notes: [] } : { faults, notes: pending };
}

/** What the names of a file's tests begin with. */
export function citationsOf(file: string, text: string): Cited[] {
  const cited: Cited[] = [];
  for (const { name, line } of readModule(text).testNames) {
    const [leading = ""] = /^(?:[A-Z]\d{1,2} )*(?:\d(?!00)(?:\d\d|xx) )*(?:[A-Z]\d{1,2} )*/.exec(`${name} `) ?? [];
    const ids = leading.split(" ").filter((id) => id !== "");
    for (const id of ids) cited.push({ id, at: `${file}:${line}` });
  }
  return cited;
}

export function compare(documents: Documents, cited: readonly Cited[]): { faults: string[]; pending: string[] } {
  const faults: string[] = [];
  const pending: string[] = [];
  const has = new Set(cited.map(({ id }) => id));
  const { rules, twice } = rulesOf(documents.spec ?? "");
  for (const rule of twice) faults.push(`docs/spec.md: rule ${rule} is there twice`);
  if (documents.spec === null) pending.push("docs/spec.md is not written yet");
  else for (const rule of rules) if (!has.has(rule)) faults.push(`docs/spec.md: rule ${rule} has no test`);
  const rows = rowsOf(documents.requirements ?? "");
  if (documents.requirements === null) pending.push("docs/requirements.md is not written yet");
  for (const [row, isDone] of rows)
    if (isDone && !has.has(row)) faults.push(`docs/requirements.md: row ${row} is claimed and has no test`);

  const unnumbered = new Map<string, number>();
  for (const { id, at } of cited) {
    const file = at.replace(/:\d+$/, "");
    if (id.endsWith("xx")) unnumbered.set(file, (unnumbered.get(file) ?? 0) + 1);
    else if (/^\d/.test(id)) {
      if (documents.spec !== null && !rules.has(id))
        faults.push(`${at}: begins with ${id}, which is no rule of docs/spec.md`);
    } else if (documents.requirements !== null && !rows.has(id))
      faults.push(`${at}: begins with ${id}, which is no row of docs/requirements.md`);
  }
  for (const [file, count] of unnumbered) pending.push(`${file}: ${count} names wait for their rule's number`);
  return { faults, pending };
}

function rulesOf(spec: string): { rules: Set<string>; twice: Set<string> } {
  const rules = new Set<string>();
  const twice = new Set<string>();
  for (const [, rule = ""] of spec.matchAll(/\*\*(\d{3})\*\*/g)) {
    if (rules.has(rule)) twice.add(rule);
    rules.add(rule);
  }
  return { rules, twice };
}

/** Rows of the table, and whether they are claimed. */
function rowsOf(requirements: string): Map<string, boolean> {
  const rows = new Map<string, boolean>();
  for (const line of requirements.split("\n")) {
    const cells = line.split("|").map((cell) => cell.trim().replaceAll("*", ""));
    const row = cells[1] ?? "";
    if (line.startsWith("|") && /^[A-Z]\d{1,2}$/.test(row)) rows.set(row, /^(done|part)\b/.test(cells[3] ?? ""));
  }
  return rows;
}
