/** Thrown inside the transaction, so that what the callback wrote before its first `await` is rolled back too. */
export function refusePromise<T>(result: T): T {
  if (typeof result === "object" && result !== null && "then" in result)
    throw new TypeError("a transaction's work must be synchronous: it returned a promise");
  return result;
}
