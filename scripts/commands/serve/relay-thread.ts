/** The thread of relay-logs.ts: reads the pipe, takes workerd's wrapping off each line, writes to standard output. */
import { constants, openSync, readSync, writeSync } from "node:fs";
import { Socket } from "node:net";
import { isMainThread, parentPort, workerData } from "node:worker_threads";
import { codeOf } from "./cannot-start.ts";
import { lineUnwrapper } from "./unwrap-lines.ts";

/** Between two looks into the pipe: short while much comes, so that it is never full; longer when each look costs more than it brings. */
const BUSY_PAUSE_MS = 5;
const CALM_PAUSE_MS = 15;
const BUSY_BYTES = 8 * 1024;
const CHUNK_BYTES = 256 * 1024;
const STANDARD_OUTPUT = 1;

function relay(pipe: string): void {
  // Open for writing too: otherwise the pipe ends whenever a runtime does, and the next one's lines with it.
  const fd = openSync(pipe, constants.O_RDWR | constants.O_NONBLOCK);
  const buffer = Buffer.allocUnsafe(CHUNK_BYTES);
  const unwrap = lineUnwrapper(writeOut);
  let wake: NodeJS.Timeout | undefined;
  // `onread` instead of 'data': a paused stream goes on reading into its own buffer, and wakes Node for each line.
  const socket = new Socket({
    fd,
    readable: true,
    writable: false,
    onread: {
      buffer,
      callback(bytes) {
        unwrap(buffer.subarray(0, bytes));
        wake = setTimeout(() => socket.resume(), bytes > BUSY_BYTES ? BUSY_PAUSE_MS : CALM_PAUSE_MS);
        return false;
      },
    },
  });
  socket.on("error", () => {});
  parentPort?.on("message", (line: string | null) => {
    letGo();
    if (line !== null) {
      writeOut(`${line}\n`);
      return;
    }
    clearTimeout(wake);
    drainPipe(fd, buffer, unwrap);
    socket.destroy();
    parentPort?.close();
  });
}

function drainPipe(fd: number, buffer: Buffer, unwrap: (bytes: Uint8Array) => void): void {
  try {
    for (let bytes = readSync(fd, buffer); bytes > 0; bytes = readSync(fd, buffer)) unwrap(buffer.subarray(0, bytes));
  } catch {
    // EAGAIN: the pipe is empty.
  }
}

/** What came before the server's own first line, which says that the service is ready; null once that is written. */
let held: string[] | null = [];

function letGo(): void {
  const lines = held?.join("") ?? "";
  held = null;
  writeOut(lines);
}

let isReaderGone = false;
const wait = new Int32Array(new SharedArrayBuffer(4));

/** Whole lines, in order. A reader that went away (npm start | head) is no reason to stop serving. */
function writeOut(lines: string): void {
  if (held !== null) {
    held.push(lines);
    return;
  }
  let rest = Buffer.from(lines);
  while (rest.length > 0 && !isReaderGone)
    try {
      rest = rest.subarray(writeSync(STANDARD_OUTPUT, rest));
    } catch (error) {
      // A reader that is slow holds up this thread, then the pipe, then the Worker: no line is lost.
      if (codeOf(error) === "EAGAIN") Atomics.wait(wait, 0, 0, BUSY_PAUSE_MS);
      else isReaderGone = true;
    }
}

if (!isMainThread) relay(String(workerData));
