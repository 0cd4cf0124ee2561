import { describe, expect, test } from "vitest";
import { describeError } from "../../consumers/describe-error.ts";
import { fingerprint, withoutVariables } from "../../consumers/fingerprint.ts";
import { NonRetryableError, TaskError } from "../../consumers/handlers/errors.ts";

describe("163 the fingerprint", () => {
  const stack = (frames: string[]) => ["Error: x", ...frames.map((frame) => `    at ${frame}`)].join("\n");
  const here = stack(["fetchUser (/app/index.js:10:5)", "run (/app/index.js:20:5)"]);

  test("is the same for messages that differ in numbers, UUIDs and hexadecimal runs alone", () => {
    const of = (message: string) => fingerprint("Error", message, here);
    const same = [
      "user 17 of 3f2504e0-4f89-11d3-9a0c-0305e82c3301 at 0xDEADBEEF, trace 9f86d081884c",
      "user 4 of 00000000-0000-0000-0000-000000000000 at 0x1, trace aaaaaa111111",
    ];
    expect(new Set(same.map(of)).size).toBe(1);
    expect(of("user gone")).not.toBe(of("user away"));
  });

  test("267 is another for another `code` of the error: 401 and 404 are two causes", () => {
    const of = (code: unknown) => {
      const error = Object.assign(new Error("answered 404"), { code });
      return describeError(error, "handler-error").fingerprint;
    };
    expect(new Set(["http-404", "http-401", 5, undefined].map(of)).size).toBe(4);
    expect(of("http-404")).toBe(of("http-404"));
  });

  test("is the same after a deploy that moved lines, and another for another class or function", () => {
    const moved = stack(["fetchUser (/app/index.js:910:7)", "run (/app/index.js:20:5)"]);
    const elsewhere = stack(["fetchOrder (/app/index.js:10:5)", "run (/app/index.js:20:5)"]);
    expect(fingerprint("Error", "x", moved)).toBe(fingerprint("Error", "x", here));
    expect(fingerprint("Error", "x", elsewhere)).not.toBe(fingerprint("Error", "x", here));
    expect(fingerprint("TypeError", "x", here)).not.toBe(fingerprint("Error", "x", here));
  });

  test("passes over frames of the runtime and of libraries", () => {
    const through = stack([
      "new Promise (<anonymous>)",
      "node:internal/process/task_queues:95:5",
      "parse (/app/node_modules/zod/index.js:1:1)",
      "async fetchUser (/app/index.js:10:5)",
    ]);
    expect(fingerprint("Error", "x", through)).toBe(fingerprint("Error", "x", here));
  });
});

describe("267 what differs between two failures of one cause", () => {
  test.each([
    ['user "alice" not found', 'user "bob" not found'],
    ["can't find user 'alice'", "can't find user 'bob'"],
    ["no mail to alice@example.com", "no mail to bob.b+1@mail.example.org"],
    ["ENOENT: no such file or directory, open '/tmp/a/b.txt'", "ENOENT: no such file or directory, open '/var/c.png'"],
    ["cannot read /tmp/a.txt: gone", "cannot read /var/x/y.png: gone"],
    ["cannot open src/jobs/a.ts", "cannot open lib/c.ts"],
    ["C:\\Users\\a\\b.txt is locked", "D:\\x is locked"],
    ["GET /users/alice answered 404", "GET /users/bob/avatar?size=2 answered 404"],
    ["fetch of https://a.example/x?y=1 failed", "fetch of http://b.example failed"],
    ["order 01HZX3Y7K9V2M4N6P8Q0R2S4T6 is gone", "order 01HZX3Y8ABCDEFGHJKMNPQRSTV is gone"],
    ["order 01HZX3Y7 is gone", "order 01HZY8Z4 is gone"],
    ["trace deadbeef", "trace cafebabe"],
    ["row 5a3c8", "row 5a3c50"],
    ["not before 2026-11-28T10:00:05Z", "not before 2026-11-28T10:00:05.123Z"],
    ["not before 2026-11-28T10:00:05+01:00", "not before 2026-11-28 10:00 UTC"],
    ["due Sat, 28 Nov 2026 17:50:11 GMT", "due Mon, 2 Feb 2026 01:00:00 GMT"],
    [
      `due ${"Sat Nov 28 2026 17:50:11 GMT+0000 (Coordinated Universal Time)"}`,
      "due Mon Feb 02 2026 17:50:11 GMT+0100",
    ],
    ["connect ECONNREFUSED ::1:5432", "connect ECONNREFUSED fe80::1:5432"],
    ["connect ECONNREFUSED 127.0.0.1:5432", "connect ECONNREFUSED 10.0.0.17:443"],
    ["ids 1, 2, 3 are missing", "ids 4, 5 are missing"],
    ["took 1.5 s", "took 12 s"],
    ["token V1StGXR8_Z5jdHi6B-myT is over", "token Uakgb_J5m9g-0JDMbcJqL is over"],
    ["No such customer: 'cus_NffrFeUfNV2Hib'", "No such customer: 'cus_9s6XKzkNRiz8i3'"],
    ["charge ch_3MmlLrLkdIwHu7ix0snN0B15 is refunded", "charge ch_1abcLrLkdIwHu9ix0snN0B44 is refunded"],
    ["Key (email)=(alice@example.com) already exists.", "Key (email)=(Bob) already exists."],
    ["Duplicate entry 'alice' for key 'users.email'", "Duplicate entry 'bob' for key 'users.email'"],
    ['{"error":"user alice","id":17}', '{"error":"user alice","id":18}'],
  ])("is left out: %s", (a, b) => {
    expect(withoutVariables(a)).toBe(withoutVariables(b));
  });

  test("causes stay apart that programs tell apart", () => {
    const table = [
      // Node
      "ENOENT: no such file or directory, open '/tmp/a'",
      "ENOENT: no such file or directory, stat '/tmp/a'",
      "EACCES: permission denied, open '/tmp/a'",
      "connect ECONNREFUSED 127.0.0.1:5432",
      "connect ETIMEDOUT 127.0.0.1:5432",
      "read ECONNRESET",
      "getaddrinfo ENOTFOUND api.stripe.com",
      "getaddrinfo ENOTFOUND api.github.com",
      "Cannot read properties of undefined (reading 'name')",
      "Cannot read properties of undefined (reading 'id')",
      "Cannot read properties of null (reading 'id')",
      "Cannot set properties of undefined (setting 'id')",
      'The "path" argument must be of type string. Received undefined',
      'The "data" argument must be of type string. Received undefined',
      "Cannot find module 'zod'",
      "Cannot find module 'pino'",
      "users.map is not a function",
      "orders.map is not a function",
      "Command failed: exit code 1",
      "Command failed: exit code 137",
      // fetch and clients of HTTP
      "fetch failed: Client network socket disconnected before secure TLS connection was established",
      "fetch failed: certificate has expired",
      "The operation was aborted due to timeout",
      "Network connection lost.",
      "Request failed with status code 401",
      "Request failed with status code 404",
      "Request failed with status code 503",
      `Unexpected token '<', "<!DOCTYPE "... is not valid JSON`,
      "Unexpected end of JSON input",
      // SQLite
      "UNIQUE constraint failed: users.email",
      "UNIQUE constraint failed: orders.id",
      "NOT NULL constraint failed: users.email",
      "FOREIGN KEY constraint failed",
      "no such table: users",
      "no such table: orders",
      "no such column: email",
      'near "SELCT": syntax error',
      'near "FORM": syntax error',
      "database is locked",
      "D1_ERROR: too many SQL variables at offset 402: SQLITE_ERROR",
      // PostgreSQL
      'duplicate key value violates unique constraint "users_email_key"',
      'duplicate key value violates unique constraint "orders_pkey"',
      'relation "users" does not exist',
      'relation "orders" does not exist',
      'null value in column "email" of relation "users" violates not-null constraint',
      'null value in column "name" of relation "users" violates not-null constraint',
      'invalid input syntax for type integer: "abc"',
      'invalid input syntax for type uuid: "abc"',
      'password authentication failed for user "alice"',
      "canceling statement due to statement timeout",
      "deadlock detected",
      "sorry, too many clients already",
      // AWS
      "User: arn:aws:iam::123456789012:user/alice is not authorized to perform: s3:GetObject on resource: arn:aws:s3:::b/k",
      "User: arn:aws:iam::123456789012:user/alice is not authorized to perform: s3:PutObject on resource: arn:aws:s3:::b/k",
      "The specified key does not exist.",
      "The specified bucket does not exist",
      "Rate exceeded",
      "The security token included in the request is expired",
      "ThrottlingException: Rate exceeded (Service: Lambda, Status Code: 429, Request ID: 4B7JHE0A1QK6ZX9T)",
      "InternalFailure: Rate exceeded (Service: Lambda, Status Code: 500, Request ID: 4B7JHE0A1QK6ZX9T)",
      // Stripe
      "Your card was declined.",
      "Your card has insufficient funds.",
      "Your card has expired.",
      "No such customer: 'cus_NffrFeUfNV2Hib'",
      "No such payment_intent: 'pi_3MtwBwLkdIwHu7ix28a3tqPa'",
      "Missing required param: amount.",
      "Missing required param: currency.",
      "Invalid API Key provided: sk_test_****1234",
      // Validation
      '"email" is required',
      '"name" is required',
      '[{"code":"invalid_type","path":["email"],"message":"Required"}]',
      '[{"code":"invalid_type","path":["name"],"message":"Required"}]',
      '[{"code":"too_small","path":["name"],"message":"Required"}]',
    ];
    const told = new Map<string, string>();
    for (const message of table) {
      const rest = withoutVariables(message);
      expect(told.get(rest), `${message} reads ${rest}`).toBeUndefined();
      told.set(rest, message);
    }
  });

  test("whatever a message is made of, it takes no time that is felt", () => {
    const made = [
      "a",
      "a/",
      '"a',
      "a1",
      "a_",
      ":",
      "1:",
      "a.",
      "A-a1+/",
      "a1b-",
      '\\"',
      "f",
      "(",
      ")=(",
      "Sat ",
      "@",
      "-",
      "1,",
    ];
    for (const part of made) {
      const start = performance.now();
      withoutVariables(part.repeat(Math.ceil(2_048 / part.length)));
      expect(performance.now() - start, part).toBeLessThan(100);
    }
  });

  test("a handler that knows the cause says so: TaskError, NonRetryableError, or any error with a `fingerprint`", () => {
    const of = (thrown: unknown) => describeError(thrown, "handler-error").fingerprint;
    expect(of(new TaskError("card of alice refused", { fingerprint: "card-refused" }))).toBe("card-refused");
    expect(of(new NonRetryableError("no more", { fingerprint: "card-refused", cause: new Error("x") }))).toBe(
      "card-refused",
    );
    expect(of(Object.assign(new TypeError("x"), { fingerprint: "by-hand" }))).toBe("by-hand");
    for (const wrong of ["", "with blank", "x".repeat(129), 7])
      expect(of(Object.assign(new Error("x"), { fingerprint: wrong }))).toMatch(/^[0-9a-f]{16}$/);
    expect(of(new TaskError("x"))).toMatch(/^[0-9a-f]{16}$/);
  });
});
