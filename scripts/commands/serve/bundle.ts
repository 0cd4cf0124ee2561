/**
 * One module of the Worker, by esbuild with wrangler's own settings: 40 ms, where `wrangler deploy --dry-run` takes 2 s.
 * `npm run check` runs wrangler's bundling too, so what only wrangler would refuse is seen there.
 *
 * It is kept in .build/ with the hash of each file that went into it: esbuild is 0.5 of a start's 2.2 CPU seconds.
 */
import { createHash } from "node:crypto";
import { readFileSync, statSync } from "node:fs";
import { createRequire } from "node:module";
import { join, resolve } from "node:path";
import type { Message } from "esbuild";
import { CannotStart } from "./cannot-start.ts";
import { keep } from "./keep.ts";

const ROOT = resolve(import.meta.dirname, "../../..");
/** What decides beside the files themselves: which packages there are, how TypeScript is read, who bundles, and how. */
const ALSO = [
  join(ROOT, "package-lock.json"),
  join(ROOT, "tsconfig.json"),
  join(ROOT, "tsconfig.base.json"),
  createRequire(import.meta.url).resolve("esbuild/package.json"),
  import.meta.filename,
];

interface Kept {
  /** Absolute path and hash. */
  readonly files: readonly (readonly [path: string, hash: string])[];
  readonly text: string;
}

/**
 * The script's text.
 * @throws CannotStart with esbuild's first complaint where the entry does not build.
 */
export async function bundle(entry: string): Promise<string> {
  const at = join(ROOT, ".build", `bundle-${hashOf(entry).slice(0, 16)}.json`);
  const kept = readKept(at);
  if (kept !== null) return kept;
  const began = Date.now();
  const { text, inputs } = await build(entry);
  const files = [...inputs, ...ALSO];
  // One that is written meanwhile has a hash that the text is not of.
  if (files.every((path) => statSync(path).mtimeMs < began))
    keep(at, { files: files.map((path) => [path, hashOf(readFileSync(path))]), text } satisfies Kept);
  return text;
}

/** null: there is none, or a file is another by now. */
function readKept(at: string): string | null {
  try {
    const { files, text }: Kept = JSON.parse(readFileSync(at, "utf8"));
    return files.every(([path, hash]) => hashOf(readFileSync(path)) === hash) ? text : null;
  } catch {
    return null;
  }
}

function hashOf(text: string | Buffer): string {
  return createHash("sha256").update(text).digest("hex");
}

async function build(entry: string): Promise<{ text: string; inputs: readonly string[] }> {
  const esbuild = await import("esbuild");
  try {
    const built = await esbuild.build({
      absWorkingDir: ROOT,
      entryPoints: [entry],
      bundle: true,
      write: false,
      metafile: true,
      format: "esm",
      target: "es2024",
      supported: { using: true, "import-source": true },
      conditions: ["workerd", "worker", "browser"],
      external: ["cloudflare:*", "node:*"],
      define: { "process.env.NODE_ENV": '"production"', "navigator.userAgent": '"Cloudflare-Workers"' },
      keepNames: false,
      logLevel: "silent",
    });
    const inputs = Object.keys(built.metafile.inputs).map((path) => resolve(ROOT, path));
    return { text: built.outputFiles[0]?.text ?? "", inputs };
  } catch (error) {
    const first: Message | undefined = error instanceof Error ? Reflect.get(error, "errors")?.[0] : undefined;
    if (first === undefined) throw error;
    const at = first.location ? `${first.location.file}:${first.location.line}` : entry;
    throw new CannotStart(`The Worker does not build: ${first.text} (${at}).`);
  } finally {
    await esbuild.stop();
  }
}
