/** A real HTTP server on a free port of 127.0.0.1 that does what a test scripts for each path, and keeps what it was asked. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

export interface SeenRequest {
  readonly method: string;
  readonly path: string;
  readonly headers: IncomingMessage["headers"];
  readonly body: string;
}

export type Script = (response: ServerResponse, request: SeenRequest) => void;

export class ScriptedServer {
  readonly origin: string;
  readonly seen: SeenRequest[] = [];
  readonly #server: Server;

  private constructor(server: Server) {
    this.#server = server;
    this.origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  }

  /** @param scripts what answers each path, query excluded; 404 elsewhere */
  static async start(scripts: Readonly<Record<string, Script>>): Promise<ScriptedServer> {
    const server = createServer((request, response) => {
      const chunks: Buffer[] = [];
      request.on("data", (chunk: Buffer) => chunks.push(chunk));
      request.on("end", () => {
        const path = request.url ?? "/";
        const seen = {
          method: request.method ?? "",
          path,
          headers: request.headers,
          body: String(Buffer.concat(chunks)),
        };
        started.seen.push(seen);
        const script = scripts[path.split("?")[0] ?? ""];
        if (script) script(response, seen);
        else response.writeHead(404).end("nothing here");
      });
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const started = new ScriptedServer(server);
    return started;
  }

  /** Requests by path, query included. */
  asked(path: string): SeenRequest[] {
    return this.seen.filter((request) => request.path === path);
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}
