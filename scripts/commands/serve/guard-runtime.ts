/**
 * Knows the runtime's process, and sees that none is left behind. workerd outlives a server that is killed, holding the
 * port and the files (tried: SIGKILL of the server, workerd lives on as a child of init). So a shell of a few hundred
 * KiB holds the reading end of a pipe: it ends with the server, however that dies, and the shell kills the runtime.
 * Miniflare starts workerd through the small script below, which sends its log lines into the relay's pipe.
 *
 * Both are of no group but their own: a signal to the server's whole group (Ctrl-C, `timeout npm start`) is for the
 * server, and the runtime is needed for the drain. workerd handles SIGTERM itself, so that ignoring it is of no use.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";

const WATCH = `runtime=
while read -r line; do runtime=$line; done
[ -n "$runtime" ] && kill -9 "$runtime" 2>/dev/null
rm -rf "$1"`;

/** Speaks before each start of a process, with the options that are about to be used. */
const BEFORE_SPAWN = "tracing:child_process.spawn:start";

export interface RuntimeGuard {
  /** The runtime has been stopped on purpose: nothing to kill any more. */
  release(): void;
}

export interface RuntimeEvents {
  readonly onStart: (pid: number) => void;
  /** At each end of a runtime, except after `release`. */
  readonly onDeath: (death: Death) => void;
}

export interface Death {
  readonly pid: number;
  /** SIGKILL, or "code 1". */
  readonly by: string;
}

/**
 * To be called before Miniflare starts: it sets MINIFLARE_WORKERD_PATH.
 * @param folder a folder of this service's own; the watching shell removes it
 * @param logPipe where workerd's standard output goes
 */
export function guardRuntime(folder: string, logPipe: string, { onStart, onDeath }: RuntimeEvents): RuntimeGuard {
  const launcher = join(folder, "workerd");
  writeFileSync(launcher, `#!/bin/sh\nexec ${quoted(workerdPath())} "$@" >${quoted(logPipe)}\n`, {
    mode: 0o700,
  });
  process.env.MINIFLARE_WORKERD_PATH = launcher;
  const watch = spawn("/bin/sh", ["-c", WATCH, "sh", folder], {
    stdio: ["pipe", "ignore", "ignore"],
    detached: true,
  });
  watch.on("error", () => {});
  watch.stdin.on("error", () => {});
  // Miniflare has no option for it, and not every system has a setsid for the script.
  const setApart = (message: unknown) => {
    const options = Object(Reflect.get(Object(message), "options"));
    if (Reflect.get(options, "file") === launcher) Reflect.set(options, "detached", true);
  };
  let running: number | null = null;
  let released = false;
  const heed = (pid: number | null) => {
    running = pid;
    watch.stdin.write(`${pid ?? ""}\n`);
  };
  const onSpawn = (message: unknown) => {
    const child: ChildProcess = Reflect.get(Object(message), "process");
    // The channel speaks before the child has its name and number.
    child.once("spawn", () => {
      const { pid } = child;
      if (child.spawnfile !== launcher || pid === undefined) return;
      heed(pid);
      onStart(pid);
      child.once("exit", (code, signal) => {
        if (running === pid) heed(null);
        if (!released) onDeath({ pid, by: signal ?? `code ${code}` });
      });
    });
  };
  subscribe("child_process", onSpawn);
  subscribe(BEFORE_SPAWN, setApart);
  return {
    release() {
      released = true;
      unsubscribe("child_process", onSpawn);
      unsubscribe(BEFORE_SPAWN, setApart);
    },
  };
}

/** Also where an own workerd is named by MINIFLARE_WORKERD_PATH. */
function workerdPath(): string {
  const own = process.env.MINIFLARE_WORKERD_PATH;
  if (own !== undefined && own !== "") return own;
  const require = createRequire(import.meta.url);
  const found: unknown = createRequire(require.resolve("miniflare"))("workerd");
  return String(Reflect.get(Object(found), "default"));
}

function quoted(path: string): string {
  return `'${path.replaceAll("'", `'\\''`)}'`;
}
