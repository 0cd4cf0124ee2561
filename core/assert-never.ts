/** Ends a switch over a closed union: a new member is a type error here, and a value that slipped past the types throws. */
export function assertNever(value: never): never {
  throw new Error(`unreachable: ${JSON.stringify(value)}`);
}
