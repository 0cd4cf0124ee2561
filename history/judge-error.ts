/**
 * Whether D1 could not work, or refused what it was given. The first is everybody's and passes: all is sent again. The
 * second is a row's, and stays: the row is set aside, or it would hold up all that follow. D1 says both as the text of
 * an Error ("D1_ERROR: … : SQLITE_CONSTRAINT"), so texts are what there is to go by.
 */
import type { HistoryDatabase, Ports } from "../core/ports.ts";
import { within } from "./within.ts";

export type Judgement = "unavailable" | "refused";

/** SQLite's own word that the values are at fault. */
const REFUSED =
  /SQLITE_(?:CONSTRAINT|TOOBIG|MISMATCH|RANGE)|constraint failed|cannot store|too big|malformed JSON|D1_TYPE_ERROR/i;
/** The database as a whole: away, full, not migrated, or out of its limits. */
const UNAVAILABLE =
  /did not answer|overloaded|network|connection|reset|timeout|timed out|transient|internal error|no such (?:table|column)|has no column|is full|maximum DB size|locked|SQLITE_(?:BUSY|FULL|IOERR|NOMEM|READONLY|CORRUPT)|too many|exceeded its/i;
const PROBE_MS = 5_000;

/** Judges an error of a write. One that is neither known text is put to the test: does the database answer at all? */
export async function judgeError(
  error: unknown,
  database: HistoryDatabase,
  ports: Pick<Ports, "later">,
): Promise<Judgement> {
  const text = messageOf(error);
  if (REFUSED.test(text)) return "refused";
  if (UNAVAILABLE.test(text)) return "unavailable";
  try {
    await within(ports, PROBE_MS, database.prepare("SELECT 1").run());
    return "refused";
  } catch {
    return "unavailable";
  }
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
