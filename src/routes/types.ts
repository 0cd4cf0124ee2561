/** Task types: those with a handler here and their payload schemas, those only declared, and where each is routed. */
import { z } from "zod";
import { MAX_CACHE_TTL_S } from "../../core/cache.ts";
import { Problem } from "../../core/errors.ts";
import { DEFAULT_QUEUE, type QueueName, TYPE_NAME } from "../../core/ids.ts";
import type { TypeRoute } from "../../core/schema/directory-rpc.ts";
import { QueueNameSchema } from "../../core/schema/submission.ts";
import { askDirectory } from "../ask-directory.ts";
import type { Ctx, Door } from "../door.ts";
import { json } from "../middleware/answer.ts";
import { pathProblem } from "../middleware/problems.ts";
import { checkBody, readJson } from "../middleware/read-body.ts";

const RouteSchema = z.strictObject({
  /** Absent: `default`, where tasks of a type without a route go. */
  queue: QueueNameSchema.optional(),
  cacheTtlSeconds: z.int().min(0).max(MAX_CACHE_TTL_S).nullable().optional(),
});

/** `queue` null: nowhere, so `default`. */
const RoutePatchSchema = RouteSchema.extend({ queue: QueueNameSchema.nullable().optional() }).refine(
  (told) => Object.keys(told).length > 0,
  {
    error: "names nothing to change: queue, cacheTtlSeconds",
  },
);

/** A type as it is shown. */
interface TypeView {
  readonly type: string;
  /** handled: a handler here has it. declared: PUT /types made it known, for workers elsewhere. */
  readonly known: "handled" | "declared";
  /** Whether a handler of this deployment has it; where not, `note` says what that means. */
  readonly handled: boolean;
  readonly note?: string;
  readonly version: number;
  /** null: nowhere, so `default`. */
  readonly queue: QueueName | null;
  /** For how long a result answers equal tasks; 0: not at all. */
  readonly cacheTtlSeconds: number;
  /** JSON Schema (2020-12) of what is submitted; null where only workers elsewhere know. */
  readonly payload: object | null;
}

function unhandled(type: string): string {
  return `No handler of this deployment has it: its tasks are accepted with any payload and wait for a worker that has. DELETE /types/${type} undoes that.`;
}

export async function listTypes(door: Door, c: Ctx): Promise<Response> {
  const { routes } = await askDirectory(door, c, (directory) => directory.listRoutes({ v: 1 }));
  const types = viewsOf(door, routes).sort((a, b) => (a.type < b.type ? -1 : 1));
  return json({ types });
}

export async function getType(door: Door, c: Ctx): Promise<Response> {
  const type = c.req.param("type") ?? "";
  const { routes } = await askDirectory(door, c, (directory) => directory.listRoutes({ v: 1 }));
  const view = viewsOf(door, routes).find((candidate) => candidate.type === type);
  if (!view) throw new Problem("not-found", `There is no task type ${type}. GET /types lists those that there are.`);
  return json(view);
}

/** Routes a type, and makes it known where no handler here has it. The queue is made by the first submission. */
export async function putType(door: Door, c: Ctx): Promise<Response> {
  const type = typeOf(c);
  const body = checkBody(RouteSchema, await readJson(c.req.raw, door.env.bodyLimit));
  const route = {
    type,
    queue: (body.queue as QueueName | undefined) ?? DEFAULT_QUEUE,
    cacheTtlSeconds: body.cacheTtlSeconds ?? null,
  };
  await askDirectory(door, c, (directory) => directory.putRoute({ v: 1, ...route }));
  door.known.forgetRoute(type);
  const [view] = viewsOf(door, [route], type);
  return json(view);
}

/** What is named, of a type that is known: the rest stays as it is. */
export async function patchType(door: Door, c: Ctx): Promise<Response> {
  const type = typeOf(c);
  const body = checkBody(RoutePatchSchema, await readJson(c.req.raw, door.env.bodyLimit));
  const told = {
    ...(body.queue !== undefined && { queue: body.queue as QueueName | null }),
    ...(body.cacheTtlSeconds !== undefined && { cacheTtlSeconds: body.cacheTtlSeconds }),
  };
  const handled = door.handlers.has(type);
  const { route } = await askDirectory(door, c, (directory) => directory.patchRoute({ v: 1, type, ...told, handled }));
  door.known.forgetRoute(type);
  const [view] = viewsOf(door, [route], type);
  return json(view);
}

function typeOf(c: Ctx): string {
  const type = c.req.param("type") ?? "";
  if (!TYPE_NAME.test(type))
    throw pathProblem("type", "A task type", "must be 1 to 128 letters, digits or any of _ . : / -");
  return type;
}

/** Undoes the PUT. What waits stays where it is; another isolate may go on with the route for 5 s. */
export async function deleteType(door: Door, c: Ctx): Promise<Response> {
  const type = c.req.param("type") ?? "";
  await askDirectory(door, c, (directory) => directory.deleteRoute({ v: 1, type }));
  door.known.forgetRoute(type);
  return new Response(null, { status: 204 });
}

/** @param only of that type alone */
function viewsOf(door: Door, routes: readonly TypeRoute[], only?: string): TypeView[] {
  const routed = new Map(routes.map((route) => [route.type, route]));
  const names = only === undefined ? new Set([...door.handlers.keys(), ...routed.keys()]) : [only];
  return Array.from(names, (type) => {
    const handler = door.handlers.get(type);
    const { queue = null, cacheTtlSeconds = null } = routed.get(type) ?? {};
    const told = { queue, cacheTtlSeconds: cacheTtlSeconds ?? handler?.cacheTtlSeconds ?? 0 };
    return handler
      ? { type, known: "handled", handled: true, version: handler.version, ...told, payload: schemaOf(handler.payload) }
      : { type, known: "declared", handled: false, note: unhandled(type), version: 1, ...told, payload: null };
  });
}

const schemas = new WeakMap<z.ZodType, object>();

/** Made once: 90 of them take some milliseconds. What JSON Schema cannot say (a refinement) is left open. */
function schemaOf(payload: z.ZodType): object {
  const known = schemas.get(payload);
  if (known) return known;
  const made = z.toJSONSchema(payload, { io: "input", unrepresentable: "any" });
  schemas.set(payload, made);
  return made;
}
