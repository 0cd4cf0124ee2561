/** Counts as sentences tell them. */

/** "1 task", "2 tasks", "0 tasks". @param many what is said of any number but one */
export function countOf(count: number | bigint, one: string, many = `${one}s`): string {
  return `${count} ${Number(count) === 1 ? one : many}`;
}
