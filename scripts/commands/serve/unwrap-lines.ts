/** Takes workerd's structured logs apart: what the Worker wrote comes out as it was written. */

const NEWLINE = 10;

/**
 * Cuts bytes into lines, keeping a part of one for the next call.
 * @param write gets whole lines, each with its line end
 */
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
