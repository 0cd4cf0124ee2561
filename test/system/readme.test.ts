/** The README's curl session, command by command on a fresh service: each answers as is shown, ids and times aside. */
import { readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { startService } from "../support/node/service.ts";

const readme = readFileSync(new URL("../../README.md", import.meta.url), "utf8");

interface Step {
  readonly command: string;
  /** null: the command prints nothing. */
  readonly shown: string | null;
}

const steps: Step[] = Array.from(readme.matchAll(/```console\n([\s\S]*?)```/g), ([, block = ""]) =>
  block
    .split(/^\$ /m)
    .filter((part) => part !== "")
    .map((part): Step => {
      const [command = "", ...output] = part.trimEnd().split("\n");
      return { command, shown: output.length > 0 ? output.join("\n") : null };
    }),
).flat();

/** The words of a shell command; only the quotes that the README uses. */
function wordsOf(command: string): string[] {
  return Array.from(command.matchAll(/'([^']*)'|(\S+)/g), ([, quoted, plain]) => quoted ?? plain ?? "");
}

/** What curl would ask for. @throws where the README uses an option that this does not know */
function requestOf(command: string, url: string): Request {
  const [curl, ...words] = wordsOf(command);
  expect(curl).toBe("curl");
  let target = "";
  let method: string | null = null;
  let body: string | null = null;
  const headers = new Headers();
  for (let word = words.shift(); word !== undefined; word = words.shift()) {
    const value = () => words.shift() ?? "";
    if (word === "-s") continue;
    if (word === "-o") value();
    else if (word === "-X") method = value();
    else if (word === "-d") body = value();
    else if (word === "-H") {
      const [name = "", text = ""] = value().split(": ");
      headers.set(name, text);
    } else if (word.startsWith("localhost:8787")) target = word.replace("localhost:8787", url);
    else throw new Error(`the README's curl has ${word}`);
  }
  return new Request(target, { method: method ?? (body === null ? "GET" : "POST"), headers, body });
}

const ID = /\b(?:wf_[0-9a-v]{24}|[a-z]+\.\d+\.[0-9a-v]{11}(?:\.\d+)?)\b/g;
/** What differs from run to run. */
function plain(text: string): unknown {
  return JSON.parse(
    text
      .replace(/\d{4}-\d\d-\d\dT[\d:.]+Z/g, "TIME")
      .replace(/[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}/g, "UUID")
      .replace(/consumer-[0-9a-f]{8}/g, "WORKER")
      .replace(ID, (id) => id.replace(/[0-9a-v]{11,}/, "SEQ")),
  );
}

it("every command of the README's session answers as is shown", async () => {
  await using service = await startService({ env: { LOG_LEVEL: "warn" } });
  const ids = new Map<string, string>();
  expect(steps.length).toBeGreaterThan(8);
  for (const { command, shown } of steps) {
    const known = command.replace(ID, (id) => ids.get(id) ?? id);
    const answer = await (await fetch(requestOf(known, service.url))).text();
    if (shown === null) continue;
    expect([command, plain(answer)]).toEqual([command, plain(shown)]);
    const real = answer.match(ID) ?? [];
    for (const [i, id] of (shown.match(ID) ?? []).entries()) ids.set(id, real[i] ?? id);
  }
});
