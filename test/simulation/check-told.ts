/** When all has ended: everybody who was to be told of an end was, at least once and under one id, and nobody else. */
import type { Hooks } from "../../core/schema/webhooks-rpc.ts";
import type { FinishedStatus } from "../../core/status.ts";
import { WEBHOOK_URL } from "./draw-hooks.ts";
import type { SimulatedHistory } from "./history-database.ts";
import type { KnownTask, Model } from "./model.ts";
import type { Letter, Receivers } from "./receivers.ts";
import { must } from "./violation.ts";

export function checkTold(model: Model, history: SimulatedHistory, receivers: Receivers, hooks: Hooks): void {
  const bySeq = new Map<number, Letter[]>();
  for (const letter of receivers.letters.values()) bySeq.set(letter.seq, [...(bySeq.get(letter.seq) ?? []), letter]);
  for (const task of model.tasks.values()) {
    const status = history.find(task.seq)?.status;
    // What D1 does not take is known by its letters alone.
    if (status === undefined) continue;
    const letters = bySeq.get(task.seq) ?? [];
    // Whose data was deleted may not have been told any more.
    const isErased = model.erasing.has(task.seq);
    checkTask(task, status as FinishedStatus, letters, hooks, isErased);
  }
}

function checkTask(
  { seq, options }: KnownTask,
  end: FinishedStatus,
  letters: readonly Letter[],
  hooks: Hooks,
  isErased: boolean,
): void {
  const { callback } = options;
  const wanted = new Set<string>();
  if (callback && (callback.events ?? [end]).includes(end)) wanted.add(callback.url);
  for (const { events } of hooks.webhooks) if (events === null || events.includes(end)) wanted.add(WEBHOOK_URL);
  for (const url of wanted) {
    const letter = letters.find((one) => one.url === url);
    must(
      isErased || (letter !== undefined && letter.taken > 0),
      () => `${url} was not told that task ${seq} ended ${end}`,
    );
  }
  for (const { url, status } of letters) {
    must(wanted.has(url), () => `${url} was told of task ${seq}, which ended ${end}`);
    must(status === end, () => `${url} was told that task ${seq} ended ${status}, not ${end}`);
  }
}
