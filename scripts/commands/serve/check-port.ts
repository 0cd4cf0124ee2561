/** Asks for the port before anything slow happens: a taken port is the commonest reason not to start. */
import { createServer } from "node:net";
import { CannotStart, codeOf } from "./cannot-start.ts";

export const HOST = "127.0.0.1";

/**
 * The port; of 0, one that is free.
 * @throws CannotStart where nobody could listen on it
 */
export async function checkPort(port: number): Promise<number> {
  const probe = createServer();
  try {
    await new Promise<void>((listening, failed) => {
      probe.once("error", failed).listen(port, HOST, listening);
    });
  } catch (error) {
    throw new CannotStart(portFault(port, codeOf(error)));
  }
  const address = probe.address();
  await new Promise((closed) => probe.close(closed));
  return typeof address === "object" && address !== null ? address.port : port;
}

export function portFault(port: number, code: string): string {
  const other = `choose another, for example PORT=${port < 65_535 ? port + 1 : 8787}`;
  if (code === "EADDRINUSE") return `Port ${port} is taken: stop what listens there, or ${other}.`;
  if (code === "EACCES") return `Port ${port} needs rights that this user lacks: ${other.replace(/\d+$/, "8787")}.`;
  return `Nothing can listen on port ${port} of ${HOST} (${code}): ${other}.`;
}
