/** A question to the tenant's Directory, with its refusal thrown as a problem. */
import type { Answer, Versioned } from "../core/schema/answer.ts";
import type { DirectoryRpc } from "../core/schema/directory-rpc.ts";
import { directoryOf } from "../durable-objects/stubs.ts";
import { answered, ask, PATIENCE_MS } from "../reads/ask.ts";
import type { Ctx, Door } from "./door.ts";

/** @throws Problem with the Directory's own code, or `unavailable` where it does not answer */
export async function askDirectory<T>(
  { ports, log }: Door,
  c: Ctx,
  question: (directory: DirectoryRpc) => Promise<Answer<T>>,
): Promise<Versioned & { readonly ok: true } & T> {
  return answered(
    await ask(ports, log, { whom: "The directory", ms: PATIENCE_MS, lost: "unavailable" }, () =>
      question(directoryOf(ports, c.env.tenant)),
    ),
  );
}
