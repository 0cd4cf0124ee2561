/** Every task type that this Worker runs: a new handler is a file beside this one and a line here. */

import { composeRegistry } from "./compose.ts";
import { compoundInterest } from "./compound-interest.ts";
import { echo } from "./echo.ts";
import { factorial } from "./factorial.ts";
import { fail } from "./fail.ts";
import { httpFetch } from "./http-fetch.ts";
import { sleep } from "./sleep.ts";

export const HANDLERS = [compoundInterest, echo, factorial, fail, httpFetch, sleep];

export const REGISTRY = composeRegistry(HANDLERS);
