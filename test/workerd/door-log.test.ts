/** The one log line of a request. */
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { call } from "../support/workerd/call.ts";
import { serviceWith } from "../support/workerd/service.ts";

const lines: Record<string, unknown>[] = [];

beforeEach(() => {
  lines.length = 0;
  vi.spyOn(console, "log").mockImplementation((line: string) => void lines.push(JSON.parse(line)));
});
afterEach(() => vi.restoreAllMocks());

/** Lines that the door wrote of requests; objects in the same runtime write theirs. */
const requests = () => lines.filter((line) => line.event === "request");

it("A10 192 each request writes one line: its id, path without query, status, time and tasks", async () => {
  const fetch = serviceWith(undefined, { env: { LOG_LEVEL: "info" } });
  const headers = { "x-request-id": "order-17" };
  const { body } = await call("POST", "/tasks/submissions", { type: "echo", payload: "private" }, { fetch, headers });
  await call("GET", `/tasks/submissions/${body.id}?secret=1`, undefined, { fetch });
  expect(requests()).toEqual([
    {
      at: expect.stringMatching(/Z$/),
      level: "info",
      event: "request",
      requestId: "order-17",
      method: "POST",
      path: "/tasks/submissions",
      status: 202,
      ms: expect.any(Number),
      tasks: [String(body.id)],
    },
    expect.objectContaining({ path: `/tasks/submissions/${body.id}`, status: 422 }),
  ]);
  expect(JSON.stringify(requests())).not.toMatch(/secret|private/);
});

it("192 a batch names its first task, and a problem its code", async () => {
  const fetch = serviceWith(undefined, { env: { LOG_LEVEL: "info" } });
  const tasks = Array.from({ length: 50 }, (_, i) => ({ type: "echo", payload: i }));
  const { body } = await call("POST", "/tasks/submissions", { tasks }, { fetch });
  await call("GET", "/nowhere", undefined, { fetch });
  await call("GET", "/tasks/nonsense", undefined, { fetch });
  expect(requests()).toMatchObject([
    { status: 202, tasks: [String(body.ids?.[0])] },
    { status: 404, code: "not-found" },
    { status: 404, code: "task-unknown" },
  ]);
});

it("187 192 what nobody expected is logged with its stack, which the answer does not have", async () => {
  const fetch = serviceWith(
    () => ({
      random: () => {
        throw new TypeError("secret of the inside");
      },
    }),
    { env: { LOG_LEVEL: "error" } },
  );
  const { headers } = await call("POST", "/tasks/submissions", { type: "echo", payload: 1 }, { fetch });
  expect(requests()).toMatchObject([
    {
      level: "error",
      status: 500,
      code: "internal",
      requestId: headers.get("x-request-id"),
      error: expect.stringContaining("secret of the inside"),
    },
  ]);
});

it("192 LOG_LEVEL keeps the lesser lines away", async () => {
  const fetch = serviceWith(undefined, { env: { LOG_LEVEL: "warn", TICKETS_1: undefined } });
  await call("GET", "/health/live", undefined, { fetch });
  expect(requests()).toEqual([]);
  await call("GET", "/health/ready", undefined, { fetch });
  expect(requests()).toMatchObject([{ level: "warn", status: 503, code: "misconfigured" }]);
});
