/** What submissions are answered, against what the commits made: each caller is told what became of each task, once. */
import type { Seq } from "../../core/ids.ts";
import type { Dedup, SubmitAnswer, SubmitRequest } from "../../core/schema/rpc.ts";
import { type Accepted, acceptedTasks, mayPass } from "../../core/submit-answer.ts";
import type { ClientDeps } from "./client.ts";
import { isLasting } from "./draw-task.ts";
import { SIMULATED } from "./host.ts";
import type { Script } from "./script.ts";
import { must } from "./violation.ts";

/** What a queue that has no room says. */
const EXPECTED: ReadonlySet<string> = new Set(["queue-full", "duplicate-task", "batch-too-large", "draining"]);

const REFUSED = "refused";
/** Refused, and taken perhaps when it comes again. */
const OPEN = "refused for now";

export class SubmissionCheck {
  readonly #deps: Pick<ClientDeps, "hasSteppedClock" | "model" | "tally">;
  readonly #keys = new Map<string, { readonly seq: Seq; readonly createdAt: number }[]>();
  /** By Idempotency-Key: what the latest answer told of each task, in order. */
  readonly #answers = new Map<string, readonly string[]>();

  constructor(deps: Pick<ClientDeps, "hasSteppedClock" | "model" | "tally">) {
    this.#deps = deps;
  }

  /** The queue was deleted: nothing that was told of it holds any more. */
  forget(): void {
    this.#keys.clear();
    this.#answers.clear();
  }

  /** Whether something was accepted under that Idempotency-Key. */
  hasTold(key: string): boolean {
    return this.#answers.has(key);
  }

  told(request: SubmitRequest, answer: SubmitAnswer): void {
    const { tally, model } = this.#deps;
    if (request.idempotency?.fingerprint === "another") {
      must(!answer.ok && answer.code === "idempotency-key-reused", () => "a key was good for another body");
      return;
    }
    if (!answer.ok) {
      tally.count(answer.code);
      const isLate = answer.code === "invalid-request" && request.idempotency !== undefined;
      const isExpected = isLate || EXPECTED.has(answer.code) || answer.detail.includes(SIMULATED);
      must(isExpected, () => `a submission was answered ${answer.code}: ${answer.detail}`);
      for (const { payload } of request.tasks)
        must(!model.byId.has(idOf(payload)), () => `${answer.code}, but ${payload} was taken`);
      return;
    }
    if (request.idempotency) this.#toldBefore(request.idempotency.key, request, answer);
    if (answer.duplicates.length > 0) tally.count("known key");
    const { seqs, createdAt } = answer;
    must(seqs.length === request.tasks.length, () => `${seqs.length} answers for ${request.tasks.length} tasks`);
    for (const [i, seq] of seqs.entries()) {
      const { payload, dedup } = request.tasks[i] ?? first(request.tasks);
      if (seq === null) {
        must(!request.atomic, () => "an atomic batch was taken in part");
        must(!model.byId.has(idOf(payload)), () => `${payload} was refused, and taken`);
        continue;
      }
      this.#promised(seq);
      if (answer.duplicates.includes(i)) {
        const task = model.tasks.get(seq);
        must(task?.script.key === dedup?.key, () => `task ${seq} has not the key ${dedup?.key}`);
        // Of several in one group the last one counts; what its own batch replaced may not be seen, as below.
        if (dedup?.onConflict === "replace" && seqs.indexOf(seq) === i)
          must(task?.replacedAfter !== null, () => `task ${seq} did not become ${payload}`);
        continue;
      }
      // One that its own batch replaced is not seen where that was the object's first write.
      const isItself = model.byId.get(idOf(payload))?.seq === seq || seqs.includes(seq, i + 1);
      must(isItself, () => `task ${seq} is not ${payload}`);
      if (dedup && isLasting(dedup) && !answer.replayed) this.#keyed(dedup, seq, createdAt);
    }
  }

  /** One key, one answer, once anything of it was accepted. */
  #toldBefore(key: string, { tasks }: SubmitRequest, answer: Accepted): void {
    if (answer.seqs.every((seq) => seq === null)) return;
    const may = new Set(answer.refused.filter(mayPass).map(({ index }) => index));
    const told = acceptedTasks(tasks, answer).map((task, i) =>
      task ? JSON.stringify(task) : may.has(i) ? OPEN : REFUSED,
    );
    const before = this.#answers.get(key) ?? [];
    this.#answers.set(key, told);
    for (const [i, was] of before.entries())
      if (was !== OPEN) must(told[i] === was, () => `${key} was answered ${was}, now ${told[i]}`);
      else if (told[i] !== OPEN) this.#deps.tally.count("taken later under its key");
    if (answer.replayed) this.#deps.tally.count("replayed answer");
  }

  #promised(seq: Seq): void {
    const { model } = this.#deps;
    must(model.tasks.has(seq), () => `task ${seq} was promised, but no commit has it`);
    model.promised.add(seq);
  }

  /** Under one key there is one task within its time. */
  #keyed({ key, ttlMs }: Dedup, seq: Seq, createdAt: number): void {
    const known = this.#keys.get(key) ?? [];
    this.#keys.set(key, known);
    if (!this.#deps.hasSteppedClock())
      for (const other of known)
        must(
          other.seq === seq || Math.abs(other.createdAt - createdAt) >= ttlMs,
          () => `tasks ${other.seq} and ${seq} were both made under ${key}`,
        );
    known.push({ seq, createdAt });
  }
}

function idOf(payload: string): number {
  return (JSON.parse(payload) as Script).id;
}

function first<T>(list: readonly T[]): T {
  const [one] = list;
  if (one === undefined) throw new RangeError("an empty list");
  return one;
}
