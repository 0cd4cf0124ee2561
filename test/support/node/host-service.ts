/** One service for all tests of a file: `const { client } = await hostService();` at its top. */
import { afterAll } from "vitest";
import { Client } from "./client.ts";
import type { Service } from "./service.ts";
import { startFaulty } from "./steer.ts";

/** A service with faults, none of which is set; it is stopped when the file's tests have run. */
export async function hostService(
  env: Readonly<Record<string, string>> = {},
): Promise<{ readonly service: Service; readonly client: Client }> {
  const service = await startFaulty(env);
  afterAll(() => service[Symbol.asyncDispose]());
  return { service, client: new Client(service.url) };
}
