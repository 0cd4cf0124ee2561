/**
 * Brings the Worker's log lines to standard output, unchanged and cheaply. workerd writes each line by itself, wrapped
 * in JSON; read through a socket as Miniflare does, every line wakes Node: 8,100 req/s where hello without a line does
 * 12,500 (wrk, 50 connections, 2 cores shared with it; 24 to 38 µs of Node and 115 to 125 of workerd a request). Here
 * workerd writes into a named pipe that is read each 5 to 15 ms, whole: 9,700 req/s, 5 and 100 µs; what is left is
 * console.log's own. A pipe holds 64 KiB, about 190 lines: at 5 ms that is room for 38,000 lines a second.
 *
 * It is read by a thread of its own (relay-thread.ts), because workerd stands still while the pipe is full: if the main
 * thread read it and ever waited for workerd, the two would wait for each other for good (happened).
 */
import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { Worker } from "node:worker_threads";
import { sentenceOf } from "./cannot-start.ts";

export interface LogRelay {
  /** The named pipe that workerd's standard output goes to. */
  readonly pipe: string;
  /** A line of the server's own, never in the middle of one of the Worker's. Until the first one, theirs are held back. */
  say(line: string): void;
  /** Resolves when what is still in the pipe has been passed on. */
  close(): Promise<void>;
}

/** Of a start that fails nobody sees them, unless `close` is called. @param folder where the pipe is made */
export function relayLogs(folder: string): LogRelay {
  const pipe = join(folder, "log");
  execFileSync("mkfifo", ["-m", "600", pipe]);
  const thread = new Worker(new URL("./relay-thread.ts", import.meta.url), { workerData: pipe });
  const ended = new Promise<void>((resolve) => thread.once("exit", () => resolve()));
  thread.once("error", (error) => process.stderr.write(`Log lines are lost from here on: ${sentenceOf(error)}\n`));
  return {
    pipe,
    say: (line) => thread.postMessage(line),
    async close() {
      thread.postMessage(null);
      await ended;
    },
  };
}
