/** What an object of the faulty service has done since it was asked the last time. */
export interface ObjectCounts {
  /** Alarms that rang. */
  readonly alarms: number;
  /** Calls of setAlarm. */
  readonly setAlarms: number;
  readonly rowsRead: number;
  readonly rowsWritten: number;
}
