/**
 * The real HTTP server that system tests point http-fetch tasks at. The path says what it does, so that a payload can
 * choose; each path is counted, query included, so that a test sees what ran how often. Paths of a test's own come by
 * `on`: one that kills the runtime, for instance.
 *   /status/503   /delay/250 (ms)   /body/1024 (bytes)   /redirect/3 (hops, then 200)   /echo   /never
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

export type Behaviour = (response: ServerResponse, request: IncomingMessage, argument: string) => void;

const BEHAVIOURS: Readonly<Record<string, Behaviour>> = {
  status: (response, _request, code) => void response.writeHead(Number(code)).end(`status ${code}`),
  delay: (response, _request, ms) => void setTimeout(() => response.end(`after ${ms} ms`), Number(ms)),
  body: (response, _request, bytes) => void response.end("x".repeat(Number(bytes))),
  redirect: (response, request, hops) => {
    const left = Number(hops) - 1;
    const location = left < 0 ? null : `/redirect/${left}${new URL(request.url ?? "/", "http://target").search}`;
    if (location === null) response.end("arrived");
    else response.writeHead(302, { location }).end();
  },
  echo: (response, request) => {
    response.setHeader("content-type", "application/octet-stream");
    request.pipe(response);
  },
  never: () => {},
};

export interface TargetServer extends AsyncDisposable {
  /** http://127.0.0.1:PORT */
  readonly url: string;
  /** How often this path was asked for, query included; of all paths together where none is named. */
  asked(path?: string): number;
  /** Every path that was asked for, with how often. */
  readonly counts: ReadonlyMap<string, number>;
  /** What the first segment of a path does from now on; the second is its argument. */
  on(segment: string, behaviour: Behaviour): void;
  stop(): Promise<void>;
}

export async function startTargetServer(): Promise<TargetServer> {
  const counts = new Map<string, number>();
  const behaviours = new Map(Object.entries(BEHAVIOURS));
  const server = createServer((request, response) => {
    const path = request.url ?? "/";
    counts.set(path, (counts.get(path) ?? 0) + 1);
    const [, segment = "", argument = ""] = path.split(/[/?]/);
    const behaviour = behaviours.get(segment);
    if (behaviour) behaviour(response, request, argument);
    else response.end(`hello from ${path}`);
  });
  server.keepAliveTimeout = 60_000;
  await new Promise<void>((listening) => server.listen(0, "127.0.0.1", listening));
  const stop = () => stopServer(server);
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    counts,
    asked: (path) => (path === undefined ? [...counts.values()].reduce((sum, n) => sum + n, 0) : counts.get(path)) ?? 0,
    on: (segment, behaviour) => void behaviours.set(segment, behaviour),
    stop,
    [Symbol.asyncDispose]: stop,
  };
}

async function stopServer(server: Server): Promise<void> {
  server.closeAllConnections();
  await new Promise((closed) => server.close(closed));
}
