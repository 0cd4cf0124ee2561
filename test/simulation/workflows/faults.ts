/** What may go wrong in the world of workflows: chances a time, 0 to 1. */
export interface WorkflowFaults {
  /** An object dies at its gate, before or after the commit. */
  readonly crash: number;
  /** An object that is idle loses its memory. */
  readonly evict: number;
  readonly lostRequest: number;
  readonly lostAnswer: number;
  readonly doubled: number;
  /** What a shard was to tell is gone when it dies. */
  readonly lostNotice: number;
  /** A worker takes tasks and is never heard of again. */
  readonly mute: number;
}

export const NO_FAULTS: WorkflowFaults = {
  crash: 0,
  evict: 0,
  lostRequest: 0,
  lostAnswer: 0,
  doubled: 0,
  lostNotice: 0,
  mute: 0,
};
