/**
 * The Worker that ships, and one that misbehaves: `/chatter?lines=N` logs N lines of a KiB in one go, `/stuck` computes
 * for ever, as a handler that never ends (production has its CPU limit; one such loop stops a whole local runtime).
 */
import type { Env } from "../../../ports.ts";
import shipped from "../../../src/index.ts";

export { Directory, LiveFeed, QueueShard, WorkflowRun } from "../../../src/index.ts";

const LINE = "ä".repeat(512);

export default {
  ...shipped,
  async fetch(request: Request, env: Env): Promise<Response> {
    const { pathname, searchParams } = new URL(request.url);
    while (pathname === "/stuck");
    if (pathname !== "/chatter") return await shipped.fetch(request, env);
    const lines = Number(searchParams.get("lines"));
    for (let n = 0; n < lines; n++) console.log(JSON.stringify({ chatter: n, text: LINE }));
    return new Response("said");
  },
};
