/**
 * The runtime's CPU profile, by its inspector (Chrome DevTools protocol): of the isolate that has the Worker and its
 * objects. D1 and the queue broker are isolates of their own; all share one thread, so their time shows as idle.
 */

/** Miniflare's name of the Worker's isolate. */
const ISOLATE = "core:user:sluice";

export interface SelfTime {
  /** Function, or where it has no name the beginning of its line; and its file. */
  readonly name: string;
  readonly ms: number;
  /** Of all samples, idle ones too. */
  readonly share: number;
}

interface Profile {
  readonly nodes: readonly {
    readonly id: number;
    readonly children?: readonly number[];
    readonly callFrame: { readonly functionName: string; readonly url: string; readonly lineNumber: number };
  }[];
  readonly samples: readonly number[];
  readonly timeDeltas: readonly number[];
}

const SAMPLE_EACH_US = 200;

/** Profiles while `work` goes on. @param script what runs, to name its lines. @returns self times, largest first */
export async function profileWhile(
  inspectorPort: number,
  script: string,
  work: () => Promise<unknown>,
): Promise<SelfTime[]> {
  const list = await fetch(`http://127.0.0.1:${inspectorPort}/json`);
  const targets = (await list.json()) as { id: string; webSocketDebuggerUrl: string }[];
  const target = targets.find(({ id }) => id === ISOLATE);
  if (!target) throw new Error(`the inspector has no ${ISOLATE}: ${targets.map(({ id }) => id).join(", ")}`);
  const session = await openSession(target.webSocketDebuggerUrl);
  await session.call("Profiler.enable");
  await session.call("Profiler.setSamplingInterval", { interval: SAMPLE_EACH_US });
  await session.call("Profiler.start");
  await work();
  const { profile } = (await session.call("Profiler.stop")) as { profile: Profile };
  session.close();
  return selfTimes(profile, linesOf(script));
}

interface Session {
  call(method: string, params?: object): Promise<unknown>;
  close(): void;
}

async function openSession(url: string): Promise<Session> {
  const socket = new WebSocket(url);
  const calls = new Map<number, (result: unknown) => void>();
  let last = 0;
  socket.addEventListener("message", ({ data }) => {
    const { id, result }: { id?: number; result?: unknown } = JSON.parse(String(data));
    if (id === undefined) return;
    calls.get(id)?.(result);
    calls.delete(id);
  });
  await new Promise<void>((opened, failed) => {
    socket.addEventListener("open", () => opened());
    socket.addEventListener("error", () => failed(new Error(`no inspector at ${url}`)));
  });
  return {
    call(method, params = {}) {
      const id = ++last;
      return new Promise((resolve) => {
        calls.set(id, resolve);
        socket.send(JSON.stringify({ id, method, params }));
      });
    },
    close: () => socket.close(),
  };
}

interface Line {
  readonly file: string;
  readonly text: string;
}

/** esbuild writes each module's path above it. */
function linesOf(script: string): readonly Line[] {
  let file = "";
  return script.split("\n").map((text) => {
    file = /^\/\/ (\S+\.\w+)$/.exec(text)?.[1] ?? file;
    return { file: file.replace(/^.*node_modules\//, ""), text: text.trim() };
  });
}

function selfTimes({ nodes, samples, timeDeltas }: Profile, lines: readonly Line[]): SelfTime[] {
  const names = namesOf(nodes, lines);
  const times = new Map<string, number>();
  let total = 0;
  for (const [i, sample] of samples.entries()) {
    const name = names.get(sample) ?? "?";
    const took = timeDeltas[i] ?? 0;
    times.set(name, (times.get(name) ?? 0) + took);
    total += took;
  }
  return Array.from(times, ([name, us]) => ({ name, ms: us / 1_000, share: us / total })).sort((a, b) => b.ms - a.ms);
}

type CallFrame = Profile["nodes"][number]["callFrame"];

/** Where SQL is only passed on; who asked for it says more. */
const PASSES_ON = /durable-objects\/sql\/|bench\/worker\/count/;

/** A function of the runtime's own is named with the nearest of ours that called it: `exec < settle`. */
function namesOf(nodes: Profile["nodes"], lines: readonly Line[]): ReadonlyMap<number, string> {
  const parents = new Map(nodes.flatMap(({ id, children = [] }) => children.map((child) => [child, id] as const)));
  const own = new Map(nodes.map(({ id, callFrame }) => [id, nameOf(callFrame, lines)]));
  const isOurs = (id: number) => {
    const name = own.get(id) ?? "";
    return /\.ts$/.test(name) && !PASSES_ON.test(name);
  };
  const named = ({ id, callFrame }: Profile["nodes"][number]): string => {
    const name = own.get(id) ?? "?";
    if (callFrame.url !== "" || callFrame.functionName.startsWith("(")) return name;
    let caller = parents.get(id);
    while (caller !== undefined && !isOurs(caller)) caller = parents.get(caller);
    return caller === undefined ? name : `${name} < ${own.get(caller)}`;
  };
  return new Map(nodes.map((node) => [node.id, named(node)]));
}

function nameOf({ functionName, url, lineNumber }: CallFrame, lines: readonly Line[]): string {
  const line = url.endsWith("index.js") ? lines[lineNumber] : undefined;
  if (!line) return functionName === "" ? `(native) ${url}` : `${functionName} ${url}`.trim();
  return `${functionName === "" ? line.text.slice(0, 60) : functionName}   ${line.file}`;
}
