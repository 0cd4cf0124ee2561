/** A receiver of webhooks: keeps what it is sent, under `/hook/{name}`, and answers as it is told. */
import { text } from "node:stream/consumers";
import { startTargetServer } from "./target-server.ts";

export interface Letter {
  readonly name: string;
  /** `webhook-id`. */
  readonly id: string;
  readonly body: string;
  readonly headers: Record<string, string>;
}

export interface WebhookReceiver extends AsyncDisposable {
  readonly letters: Letter[];
  /** Status of the answers that come next, each once; then 204. `null`: it does not answer. */
  readonly answers: (number | null)[];
  urlOf(name: string): string;
  /** What came under a name. */
  of(name: string): Letter[];
}

export async function startReceiver(): Promise<WebhookReceiver> {
  const server = await startTargetServer();
  const letters: Letter[] = [];
  const answers: (number | null)[] = [];
  server.on("hook", async (response, request, name) => {
    const body = await text(request);
    const headers = Object.fromEntries(Object.entries(request.headers).map(([key, value]) => [key, String(value)]));
    letters.push({ name, id: headers["webhook-id"] ?? "", body, headers });
    const status = answers.length > 0 ? (answers.shift() ?? null) : 204;
    if (status !== null) response.writeHead(status).end();
  });
  return {
    letters,
    answers,
    urlOf: (name) => `${server.url}/hook/${name}`,
    of: (name) => letters.filter((letter) => letter.name === name),
    [Symbol.asyncDispose]: () => server.stop(),
  };
}
