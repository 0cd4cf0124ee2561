/** Starts workflows on a running service and reads them, as a client does. */
import type { nodeDetailView, nodeView, runView } from "../../../core/workflow/show-run.ts";
import type { Client } from "./client.ts";

export type NodeView = ReturnType<typeof nodeView>;
export type NodeDetailView = ReturnType<typeof nodeDetailView>;
export type RunView = ReturnType<typeof runView> & { readonly nodes: readonly NodeView[] };

/** The id of a run that was accepted. */
export async function startRun(client: Client, workflow: object): Promise<string> {
  return (await client.expect<{ id: string }>(202, "POST", "/workflows", workflow)).id;
}

export function readRun(client: Client, id: string, waitSeconds = 0): Promise<RunView> {
  return client.expect(200, "GET", `/workflows/${id}?nodes=true&wait=${waitSeconds}`);
}

/** The run with its nodes, when it has ended. @throws where that takes longer than a minute */
export async function runEnded(client: Client, id: string): Promise<RunView> {
  const run = await readRun(client, id, 60);
  if (run.status !== "RUNNING") return run;
  throw new Error(`${id} has not ended in a minute: ${JSON.stringify(run.progress)}`);
}

export async function runToEnd(client: Client, workflow: object): Promise<RunView> {
  return await runEnded(client, await startRun(client, workflow));
}

export function readNode(client: Client, id: string, key: string): Promise<NodeDetailView> {
  return client.expect(200, "GET", `/workflows/${id}/nodes/${key}`);
}

/** `key STATUS`, `key STATUS code`: how each node stands. */
export function nodeStates({ nodes }: RunView): string[] {
  return nodes.map(({ key, status, error }) => `${key} ${status}${error ? ` ${error.code}` : ""}`);
}
