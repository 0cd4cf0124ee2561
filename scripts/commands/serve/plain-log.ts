/** What Miniflare has to say, without its stacks. That a runtime failed, and how, is told by who asked for it. */
import { Log, LogLevel, MiniflareCoreError } from "miniflare";
import { oneLine } from "./cannot-start.ts";

export class PlainLog extends Log {
  readonly #complain: (message: string) => void;

  constructor(complain: (message: string) => void) {
    super(LogLevel.ERROR);
    this.#complain = complain;
  }

  override error(error: Error): void {
    if (error instanceof MiniflareCoreError && error.code === "ERR_RUNTIME_FAILURE") return;
    this.#complain(oneLine(error.message));
  }
}
