/**
 * Brings the Worker's log lines to standard output, unchanged and cheaply. workerd writes each line by itself, wrapped
 * in JSON; read through a socket as Miniflare does, every line wakes Node: 8,100 req/s where hello without a line does
 * 12,500 (wrk, 50 connections, 2 cores shared with it; 24 to 38 µs of Node and 115 to 125 of workerd a request). Here
 * workerd writes into a named pipe that is read at most each 5 ms, whole: 9,700 req/s, 5 and 100 µs; what is left is
 * console.log's own. A pipe holds 64 KiB, about 190 lines: at 5 ms that is room for 38,000 lines a second.
 */
import { execFileSync } from "node:child_process";
import { constants, openSync, readSync } from "node:fs";
import { Socket } from "node:net";
import { join } from "node:path";

const PAUSE_MS = 5;
const CHUNK_BYTES = 256 * 1024;
const NEWLINE = 10;

export interface LogRelay {
  /** The named pipe that workerd's standard output goes to. */
  readonly pipe: string;
  /** Passes on what is still in the pipe, then closes it. */
  close(): void;
}

/**
 * @param folder where the pipe is made
 * @param write gets whole lines, each with its line end
 */
export function relayLogs(folder: string, write: (lines: string) => void): LogRelay {
  const pipe = join(folder, "log");
  execFileSync("mkfifo", ["-m", "600", pipe]);
  // Open for writing too: otherwise the pipe ends whenever a runtime does, and the next one's lines with it.
  const fd = openSync(pipe, constants.O_RDWR | constants.O_NONBLOCK);
  const buffer = Buffer.allocUnsafe(CHUNK_BYTES);
  const unwrap = lineUnwrapper(write);
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
        wake = setTimeout(() => socket.resume(), PAUSE_MS);
        return false;
      },
    },
  });
  socket.on("error", () => {});
  return {
    pipe,
    close() {
      clearTimeout(wake);
      drainPipe(fd, buffer, unwrap);
      socket.destroy();
    },
  };
}

function drainPipe(fd: number, buffer: Buffer, unwrap: (bytes: Uint8Array) => void): void {
  try {
    for (let bytes = readSync(fd, buffer); bytes > 0; bytes = readSync(fd, buffer)) unwrap(buffer.subarray(0, bytes));
  } catch {
    // EAGAIN: the pipe is empty.
  }
}

/** Cuts bytes into lines, keeping a part of one for the next call, and takes workerd's wrapping off each. */
export function lineUnwrapper(write: (lines: string) => void): (bytes: Uint8Array) => void {
  let rest: Buffer = Buffer.alloc(0);
  return (bytes) => {
    const last = bytes.lastIndexOf(NEWLINE);
    if (last < 0) {
      rest = Buffer.concat([rest, bytes]);
      return;
    }
    const whole = Buffer.concat([rest, bytes.subarray(0, last)]).toString("utf8");
    rest = Buffer.from(bytes.subarray(last + 1));
    let lines = "";
    for (const line of whole.split("\n")) if (line !== "") lines += `${messageOf(line)}\n`;
    if (lines !== "") write(lines);
  };
}

/** The text that the Worker logged, of a line like {"timestamp":1795541837721,"level":"log","message":"…"}. */
function messageOf(line: string): string {
  try {
    const wrapped: unknown = JSON.parse(line);
    if (typeof wrapped === "object" && wrapped !== null && "message" in wrapped && "level" in wrapped)
      return String(wrapped.message);
  } catch {
    // Not workerd's wrapping: a line of a crash, say. It is shown as it came.
  }
  return line;
}
