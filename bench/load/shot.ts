/**
 * Shoots one request over and over for some seconds from 50 connections: by wrk, or where it is not installed by
 * autocannon, which takes more of the CPU that it shares with the service, so its figures are lower. An answer that is
 * no success ends the bench: refusals are fast and would look like speed.
 */
import { execFile, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { ROOT } from "../service/start.ts";

export interface Shot {
  readonly method: "GET" | "POST";
  readonly path: string;
  /** JSON text. */
  readonly body?: string;
}

export interface Shots {
  /** Answers a second. */
  readonly perSecond: number;
  readonly requests: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
}

export const CONNECTIONS = 50;
export type Loader = "wrk" | "autocannon";

export function findLoader(): Loader {
  return spawnSync("wrk", ["--version"]).error === undefined ? "wrk" : "autocannon";
}

const run = promisify(execFile);

/** @throws where an answer was no success, or a connection failed */
export async function shoot(loader: Loader, url: string, shot: Shot, seconds: number): Promise<Shots> {
  const folder = mkdtempSync(join(tmpdir(), "sluice-shot-"));
  const file = join(folder, "body.json");
  if (shot.body !== undefined) writeFileSync(file, shot.body);
  try {
    const target = { url: `${url}${shot.path}`, method: shot.method, body: shot.body === undefined ? [] : [file] };
    return loader === "wrk" ? await byWrk(target, seconds) : await byAutocannon(target, seconds);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

interface Target {
  readonly url: string;
  readonly method: string;
  readonly body: readonly string[];
}

async function byWrk({ url, method, body }: Target, seconds: number): Promise<Shots> {
  const script = join(ROOT, "bench/load/shot.lua");
  const args = ["-t1", `-c${CONNECTIONS}`, `-d${seconds}s`, "--latency", "-s", script, url, "--", method, ...body];
  const { stdout } = await run("wrk", args);
  const faults = /Non-2xx or 3xx responses: \d+|Socket errors: .*/.exec(stdout);
  if (faults) throw new Error(`${method} ${url}: ${faults[0]}`);
  return {
    perSecond: Number(found(/Requests\/sec:\s+([\d.]+)/, stdout)),
    requests: Number(found(/(\d+) requests in/, stdout)),
    p50Ms: toMs(found(/50%\s+(\S+)/, stdout)),
    p99Ms: toMs(found(/99%\s+(\S+)/, stdout)),
  };
}

function found(pattern: RegExp, text: string): string {
  const value = pattern.exec(text)?.[1];
  if (value === undefined) throw new Error(`wrk said something unexpected:\n${text}`);
  return value;
}

function toMs(text: string): number {
  const value = Number.parseFloat(text);
  if (text.endsWith("us")) return value / 1_000;
  return text.endsWith("ms") ? value : value * 1_000;
}

interface AutocannonReport {
  readonly requests: { readonly average: number; readonly total: number };
  readonly latency: { readonly p50: number; readonly p99: number };
  readonly non2xx: number;
  readonly errors: number;
}

async function byAutocannon({ url, method, body }: Target, seconds: number): Promise<Shots> {
  const args = ["-j", "-c", String(CONNECTIONS), "-d", String(seconds), "-m", method];
  for (const file of body) args.push("-i", file, "-H", "content-type=application/json");
  const cannon = join(ROOT, "node_modules/autocannon/autocannon.js");
  const { stdout } = await run(process.execPath, [cannon, ...args, url], { maxBuffer: 1 << 24 });
  const { requests, latency, non2xx, errors }: AutocannonReport = JSON.parse(stdout);
  if (non2xx + errors > 0) throw new Error(`${method} ${url}: ${non2xx} answers were no success, ${errors} failed`);
  return { perSecond: requests.average, requests: requests.total, p50Ms: latency.p50, p99Ms: latency.p99 };
}
