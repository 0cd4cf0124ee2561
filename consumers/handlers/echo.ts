/** `echo`: answers its payload. For trying things out, and the least that a task can cost in benches. */
import { z } from "zod";
import { defineHandler } from "./define.ts";

export const echo = defineHandler({
  type: "echo",
  version: 1,
  payload: z.unknown(),
  run: (payload) => payload,
});
