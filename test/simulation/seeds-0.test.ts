import { test } from "vitest";
import { runPart } from "./run-part.ts";

test("every second seed from 0 on: faults of every kind, and all that must stay true does", () => runPart(0));
