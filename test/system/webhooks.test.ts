/** Callbacks and webhooks as a receiver sees them, verified by the library that receivers use. */
import { Webhook } from "standardwebhooks";
import { expect, it } from "vitest";
import { Client } from "../support/node/client.ts";
import { startFaulty } from "../support/node/steer.ts";
import { waitFor } from "../support/node/wait-for.ts";
import { startReceiver } from "../support/node/webhook-receiver.ts";

interface Secret {
  readonly secret: string;
}
interface Delivery {
  readonly id: string;
  readonly event: string;
  readonly task: string | null;
  readonly status: string;
  readonly attempts: readonly { readonly status: number | null }[];
}

const CALLBACK = { type: "echo", payload: { sum: 1 } };

it("295 296 298 a callback that is refused comes again until it is taken, under one id, signed each time", async () => {
  await using service = await startFaulty();
  await using receiver = await startReceiver();
  const client = new Client(service.url);
  receiver.answers.push(500, 503);
  const id = await client.submit({ ...CALLBACK, callback: { url: receiver.urlOf("mine") } });
  await waitFor(() => receiver.letters.length === 1, { what: "a first attempt" });
  const delivery = await waitFor(
    async () => {
      const { deliveries } = await client.expect<{ deliveries: Delivery[] }>(
        200,
        "GET",
        `/webhooks/deliveries?task=${id}`,
      );
      return deliveries.find(({ attempts }) => attempts.length === 1);
    },
    { what: "the attempt on record" },
  );
  expect(delivery).toMatchObject({ status: "pending", event: "SUCCEEDED", task: id, attempts: [{ status: 500 }] });
  await client.expect(202, "POST", `/webhooks/deliveries/${delivery.id}/redeliver`);
  await waitFor(() => receiver.letters.length === 3, { what: "one by hand, and one by the policy" });

  const { secret } = await client.expect<Secret>(200, "GET", "/webhooks/signing-secret");
  for (const letter of receiver.letters) {
    expect(letter.id).toBe(delivery.id);
    expect(new Webhook(secret).verify(letter.body, letter.headers)).toMatchObject({
      type: "task.finished",
      data: { id, queue: "default", status: "SUCCEEDED", result: { sum: 1 } },
    });
  }
  const path = `/webhooks/deliveries/${delivery.id}`;
  const taken = await waitFor(
    async () => {
      const now = await client.expect<Delivery>(200, "GET", path);
      return now.status === "delivered" && now;
    },
    { what: "it is on record as taken" },
  );
  expect(taken.attempts.map(({ status }) => status)).toEqual([500, 503, 204]);
});

it("296 297 a webhook is told of every end of its queue, over a SIGKILL with deliveries under way; then no more", async () => {
  await using service = await startFaulty();
  await using receiver = await startReceiver();
  const client = new Client(service.url);
  await client.putQueue("told", { retry: { maxAttempts: 1 } });
  const hook = await client.expect<Secret & { id: string }>(201, "POST", "/webhooks", {
    queue: "told",
    url: receiver.urlOf("all"),
  });
  receiver.answers.push(...Array.from({ length: 12 }, () => null));
  const good = await client.submit({ ...CALLBACK, queue: "told" });
  const bad = await client.submit({ type: "fail", payload: { times: 9 }, queue: "told" });
  const late = await client.submit({ ...CALLBACK, queue: "told", delaySeconds: 60 });
  await client.expect(200, "POST", `/tasks/submissions/${late}/cancel`);

  await client.ended(bad);
  await waitFor(() => receiver.letters.length > 0, { what: "the first is under way" });

  await service.kill();
  receiver.answers.length = 0;
  const before = receiver.letters.length;
  await service.restart();
  const ends = { [good]: "SUCCEEDED", [bad]: "FAILED", [late]: "CANCELLED" };
  const told = () => {
    const letters = receiver.letters.slice(before).map(({ body }) => JSON.parse(body).data);
    return Object.fromEntries(letters.map(({ id, status }) => [id, status]));
  };
  await waitFor(() => Object.keys(told()).length === 3, { what: "all three ends are told", timeoutMs: 30_000 });
  expect(told()).toEqual(ends);
  for (const { body, headers } of receiver.letters) new Webhook(hook.secret).verify(body, headers);
  const ids = new Map(receiver.letters.map(({ id, body }) => [id, body]));
  expect(new Set(ids.values()).size).toBe(ids.size);

  const counts = async () => (await client.counts("told")).pendingDeliveries;
  await waitFor(async () => (await counts()) === 0, { what: "nothing is left to send" });
  await client.expect(202, "POST", `/webhooks/${hook.id}/test`);
  await waitFor(() => receiver.letters.at(-1)?.body.includes('"ping"'), { what: "a ping" });
  await client.expect(204, "DELETE", `/webhooks/${hook.id}`);
  const sent = receiver.letters.length;
  await client.ended(await client.submit({ ...CALLBACK, queue: "told" }));
  expect(await counts()).toBe(0);
  expect(receiver.letters.length).toBe(sent);
});
