/**
 * What was thrown, as the attempt's error: bounded text, and a fingerprint that stays the same for the same cause, so
 * that a thousand failures read as one. Whatever was thrown, this does not throw.
 */
import { cutUtf8, KIB } from "../core/bytes.ts";
import type { AttemptError, EndCode } from "../core/errors.ts";
import { fingerprint } from "./fingerprint.ts";

export const MAX_MESSAGE_BYTES = 2 * KIB;
export const MAX_STACK_BYTES = 4 * KIB;
const MAX_CAUSES = 3;
const VISIBLE = /^[!-~]{1,128}$/;

/** @param code how the attempt ended; the class is the constructor's name, or for what is no Error its type */
export function describeError(thrown: unknown, code: EndCode): AttemptError {
  const { name, message, stack } = read(thrown);
  return {
    code,
    message,
    class: name,
    ...(stack !== null && { stack }),
    fingerprint: ownFingerprint(thrown) ?? fingerprint(causeOf(thrown, name), message, stack),
  };
}

/** The same for an end that nobody threw: no stack, and the code is in the class's place. */
export function describeEnd(code: EndCode, name: string, message: string): AttemptError {
  return {
    code,
    message: bound(message, MAX_MESSAGE_BYTES),
    class: name,
    fingerprint: fingerprint(name, message, null),
  };
}

/** What the handler says of the cause itself; null: nothing, or nothing that can be asked for in a query. */
function ownFingerprint(thrown: unknown): string | null {
  try {
    const own: unknown = thrown instanceof Error && "fingerprint" in thrown ? thrown.fingerprint : null;
    return typeof own === "string" && VISIBLE.test(own) ? own : null;
  } catch {
    return null;
  }
}

/** A `code` beside the class, as Node's errors have it, tells causes apart that read alike but for their numbers. */
function causeOf(thrown: unknown, name: string): string {
  try {
    const code: unknown = thrown instanceof Error && "code" in thrown ? thrown.code : undefined;
    return typeof code === "string" || typeof code === "number" ? `${name} ${bound(String(code), 128)}` : name;
  } catch {
    return name;
  }
}

interface Thrown {
  readonly name: string;
  readonly message: string;
  readonly stack: string | null;
}

function read(thrown: unknown): Thrown {
  try {
    if (!(thrown instanceof Error))
      return {
        name: thrown === null ? "null" : typeof thrown,
        message: bound(show(thrown), MAX_MESSAGE_BYTES),
        stack: null,
      };
    const name = thrown.name && thrown.name !== "Error" ? thrown.name : thrown.constructor.name;
    return {
      name: bound(name || "Error", 128),
      message: bound(withCauses(thrown), MAX_MESSAGE_BYTES),
      stack: thrown.stack ? bound(thrown.stack, MAX_STACK_BYTES) : null,
    };
  } catch (error) {
    return { name: "unreadable", message: `what was thrown could not be read: ${typeof error}`, stack: null };
  }
}

function show(thrown: unknown): string {
  return typeof thrown === "object" ? (JSON.stringify(thrown) ?? String(thrown)) : String(thrown);
}

function withCauses(error: Error): string {
  let text = error.message;
  let { cause } = error;
  for (let i = 0; i < MAX_CAUSES && cause instanceof Error; i++) {
    if (cause.message !== "") text += `: ${cause.message}`;
    ({ cause } = cause);
  }
  return text;
}

function bound(text: string, bytes: number): string {
  return cutUtf8(String(text).toWellFormed(), bytes);
}
