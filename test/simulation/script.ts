/**
 * What a task of the simulation does: its payload is a script, one word a run, the last one repeated. From the script
 * alone one knows how the task ends where nothing disturbs it.
 */
import { z } from "zod";
import type { FinishedStatus } from "../../core/status.ts";
import type { Random } from "./random.ts";

export const ACTS = ["ok", "fail", "fatal", "snooze", "hang", "crash", "stall"] as const;
export type Act = (typeof ACTS)[number];

export const ScriptSchema = z.object({
  acts: z.array(z.enum(ACTS)).min(1),
  /** How long a run takes; 0: it answers in the same turn. */
  ms: z.number(),
  /** Tells submitted tasks apart that look alike. */
  id: z.number(),
  note: z.string().optional(),
  /** Under which it was submitted. */
  key: z.string().optional(),
  /** Under which its result is to be kept. */
  cache: z.string().optional(),
  /** The payload was changed while the task waited. */
  isEdited: z.boolean().optional(),
  /** A node's run filled it in. */
  isReleased: z.boolean().optional(),
});
export type Script = z.infer<typeof ScriptSchema>;

export function actOf(script: Script, run: number): Act {
  return script.acts[Math.min(run, script.acts.length) - 1] ?? "ok";
}

/** A script that ends: "snooze" is never last. */
export function drawScript(id: number, random: Random, mayCrash: boolean): Script {
  const acts: Act[] = [];
  while (acts.length < 3 && random.chance(0.3))
    acts.push(
      random.weighted<Act>({
        fail: 5,
        snooze: 2,
        hang: 1,
        crash: mayCrash ? 2 : 0,
        stall: mayCrash ? 0.5 : 0,
        ok: 0,
        fatal: 0,
      }),
    );
  const last = random.weighted<Act>({
    ok: 20,
    fatal: 1,
    fail: 1,
    hang: 0.3,
    crash: mayCrash ? 0.6 : 0,
    stall: 0,
    snooze: 0,
  });
  const ms = random.chance(0.3) ? 0 : random.chance(0.8) ? random.between(1, 40) : random.between(40, 4_000);
  return { acts: [...acts, last], ms, id };
}

export interface Prediction {
  readonly status: FinishedStatus;
  readonly runs: number;
}

/** How a task ends where no worker, answer or clock interferes. A crash of another's doing is not foreseen. */
export function predict(script: Script, maxAttempts: number): Prediction {
  let spent = 0;
  for (let runs = 1; ; runs++) {
    const act = actOf(script, runs);
    if (act === "ok") return { status: "SUCCEEDED", runs };
    if (act === "fatal") return { status: "FAILED", runs };
    if (act !== "snooze") spent++;
    if (spent >= maxAttempts) return { status: "FAILED", runs };
  }
}
