/** What an object did since it was told to count. */
export interface Counts {
  /** Submitted to it. */
  tasks: number;
  /** As Cloudflare bills them: index entries too. setAlarm is not in it. */
  rowsWritten: number;
  rowsRead: number;
  /** Calls of setAlarm: billed as a row each. */
  alarms: number;
  /** Requests of the object: RPC calls, and alarms that rang. */
  requests: number;
  tickets: number;
  deadLetters: number;
  d1RowsWritten: number;
  d1Calls: number;
}
