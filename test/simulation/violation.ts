/**
 * Something that must stay true is not. It is kept as well as thrown, because much of what runs here catches what it
 * calls: the run looks after each step.
 */
export class Violation extends Error {
  override readonly name = "Violation";
}

let first: Violation | null = null;

export function must(holds: boolean, told: () => string): asserts holds {
  if (holds) return;
  const violation = new Violation(told());
  first ??= violation;
  throw violation;
}

/** The first one since the last call. */
export function takeViolation(): Violation | null {
  const taken = first;
  first = null;
  return taken;
}
