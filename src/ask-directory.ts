/** A question to the tenant's Directory, with its refusal thrown as a problem. */
import type { Answer, Versioned } from "../core/schema/answer.ts";
import type { DirectoryRpc } from "../core/schema/directory-rpc.ts";
import { directoryOf } from "../durable-objects/stubs.ts";
import { answered, ask, PATIENCE_MS, type Question } from "../reads/ask.ts";
import type { Ctx, Door } from "./door.ts";

/**
 * @param lost what it is where no answer comes: `outcome-unknown` of what must not be asked for twice
 * @throws Problem with the Directory's own code, or `lost`
 */
export async function askDirectory<T>(
  { ports, log }: Door,
  c: Ctx,
  question: (directory: DirectoryRpc) => Promise<Answer<T>>,
  lost: Question["lost"] = "unavailable",
): Promise<Versioned & { readonly ok: true } & T> {
  return answered(
    await ask(ports, log, { whom: "The directory", ms: PATIENCE_MS, lost }, () =>
      question(directoryOf(ports, c.env.tenant)),
    ),
  );
}
