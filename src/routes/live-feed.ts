/** GET /events: a WebSocket to the tenant's live feed, which tells of the tasks and queues that its client names. */
import { Problem } from "../../core/errors.ts";
import { MAX_SOCKETS } from "../../core/schema/live-feed.ts";
import { callWithin, liveFeedOf } from "../../durable-objects/stubs.ts";
import { PATIENCE_MS, problemOf } from "../../reads/ask.ts";
import type { Ctx, Door } from "../door.ts";
import { problemResponse } from "../middleware/problems.ts";

export async function openLiveFeed({ ports, log }: Door, c: Ctx): Promise<Response> {
  if (c.req.header("upgrade")?.toLowerCase() !== "websocket") {
    c.env.code = "upgrade-required";
    const detail = "This path is a WebSocket: connect to it as wss://…/events.";
    // RFC 9110, 15.5.22, asks for the header; the local runtime does not let it through.
    return problemResponse(c.env.requestId, "upgrade-required", detail, {}, { upgrade: "websocket" });
  }
  if (!isSameOrigin(c))
    throw new Problem("origin-not-allowed", "Only a page of this service's origin may listen here.");
  const answer = await callWithin(ports, PATIENCE_MS, async () => {
    return { v: 1, ok: true, response: await liveFeedOf(ports, c.env.tenant).fetch(c.req.raw) } as const;
  });
  if (!answer.ok) {
    log("warn", "no-answer", { whom: "The live feed", detail: answer.detail });
    throw problemOf({ ...answer, detail: "The live feed did not answer." });
  }
  const { webSocket } = answer.response;
  if (!webSocket) throw new Problem("overloaded", `The live feed has ${MAX_SOCKETS} sockets open, as many as it may.`);
  return new Response(null, { status: 101, webSocket });
}

/** Browsers ask no server whether a page may open a WebSocket to it: they name the page's origin, and leave it to us. */
function isSameOrigin(c: Ctx): boolean {
  const origin = c.req.header("origin");
  return origin === undefined || (URL.canParse(origin) && new URL(origin).host === new URL(c.req.url).host);
}
