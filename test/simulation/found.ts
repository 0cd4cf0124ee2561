/**
 * Seeds that failed, and what they found. A seed's run changes with the simulation, so what each found also stands as a
 * test by hand: of the shard in test/operations/, of sessions in test/consumers/session-plan.test.ts.
 */
export const FOUND: readonly (readonly [seed: number, what: string])[] = [
  [0, "a session looked again at once, and again, for what only an answer could change"],
  [11, "a draining shard with waiting tasks was woken in circles: it waited for a probe that it would not send"],
  [21, "an error after an operation undid its answer, and left parked sessions beside waiting work, with no alarm"],
  [
    60,
    "a task that came again to the session that still ran its earlier attempt: outcomes were mixed up, it ran thrice",
  ],
  [103, "the deadline passed in a session that had died: a crash was told as a timeout, and at most once ran twice"],
  [136, "a turn asked again was parked beside work that had come meanwhile"],
  [168, "the key of a task that waited for ever was to be looked at in ever longer steps, beyond safe integers"],
  [190, "an outcome of an earlier claim with the same attempt gave back a task that ran"],
  [547, "nothing heard for a whole lease, and a session asked on with tasks in hand that were others' by then"],
  [1164, "a hung attempt that was to be tried again stayed in its session's row"],
  [1357, "tasks that crossed their session's close counted as begun: at most once ended without a run"],
  [1453, "three answers lost in a row, and a session that asked all the time was taken for dead"],
  [
    1623,
    "in an outage each call that overtook another began a new turn at once: 35 calls a second from three sessions",
  ],
  [1720, "a session that had slept for a minute looked again at once, and again, until its outcome was 20 ms old"],
  [2769, "the clock stepped back: a session heard in the future was counted on, an alarm a second for an hour"],
  [2833, "an alarm for each failure of a burst, and a new failure ended the backoff of the dead letters"],
  [2956, "a task of at most once was handed out ahead, began unseen, and began again after a crash"],
  [
    3041,
    "the depth limit was lowered below the depth: a submission repeated under its known key was refused as queue-full",
  ],
];
