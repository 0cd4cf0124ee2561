/** A client of Server-Sent Events over fetch, as `EventSource` is one: events in order, the latest id kept. */
export interface ReadEvent {
  readonly event: string;
  readonly data: { readonly status?: string; readonly percent?: number; readonly [field: string]: unknown };
}

export class EventStream {
  readonly status: number;
  readonly events: ReadEvent[] = [];
  /** What to come again with. */
  lastId = "";
  retryMs: number | null = null;
  comments = 0;
  readonly #reader: ReadableStreamDefaultReader<string> | null;
  #rest = "";

  private constructor(response: Response) {
    this.status = response.status;
    this.#reader = response.body?.pipeThrough(new TextDecoderStream()).getReader() ?? null;
  }

  static async open(url: string, lastId = ""): Promise<EventStream> {
    return new EventStream(await fetch(url, { headers: lastId === "" ? {} : { "last-event-id": lastId } }));
  }

  get statuses(): (string | undefined)[] {
    return this.events.filter(({ event }) => event === "move").map(({ data }) => data.status);
  }

  /** Reads until an event of that kind has come; false where the stream ended, or was cut off, before. */
  async until(event: string): Promise<boolean> {
    for (;;) {
      const end = this.#rest.indexOf("\n\n");
      if (end >= 0) {
        const block = this.#rest.slice(0, end);
        this.#rest = this.#rest.slice(end + 2);
        if (this.#take(block) === event) return true;
        continue;
      }
      const more = await this.#reader?.read().catch(() => undefined);
      if (more === undefined || more.done) return false;
      this.#rest += more.value;
    }
  }

  /** Goes away. */
  async leave(): Promise<void> {
    await this.#reader?.cancel();
  }

  /** @returns the event's name */
  #take(block: string): string | null {
    const fields = new Map<string, string>();
    for (const line of block.split("\n")) {
      const [, name = "", value = ""] = /^([^:]*):? ?(.*)$/.exec(line) ?? [];
      fields.set(name, value);
    }
    if (fields.has("")) this.comments++;
    this.lastId = fields.get("id") ?? this.lastId;
    if (fields.has("retry")) this.retryMs = Number(fields.get("retry"));
    const data = fields.get("data");
    if (data === undefined) return null;
    const event = fields.get("event") ?? "message";
    this.events.push({ event, data: JSON.parse(data) });
    return event;
  }
}
