/**
 * One module of the Worker, by esbuild with wrangler's own settings: 40 ms, where `wrangler deploy --dry-run` takes 2 s.
 * `npm run check` runs wrangler's bundling too, so what only wrangler would refuse is seen there.
 */
import { build, type Message, stop } from "esbuild";
import { CannotStart } from "./cannot-start.ts";

/**
 * The script's text.
 * @throws CannotStart with esbuild's first complaint where the entry does not build.
 */
export async function bundle(entry: string): Promise<string> {
  try {
    const built = await build({
      entryPoints: [entry],
      bundle: true,
      write: false,
      format: "esm",
      target: "es2024",
      supported: { using: true, "import-source": true },
      conditions: ["workerd", "worker", "browser"],
      external: ["cloudflare:*", "node:*"],
      define: { "process.env.NODE_ENV": '"production"', "navigator.userAgent": '"Cloudflare-Workers"' },
      keepNames: false,
      logLevel: "silent",
    });
    return built.outputFiles[0]?.text ?? "";
  } catch (error) {
    const first: Message | undefined = error instanceof Error ? Reflect.get(error, "errors")?.[0] : undefined;
    if (first === undefined) throw error;
    const at = first.location ? `${first.location.file}:${first.location.line}` : entry;
    throw new CannotStart(`The Worker does not build: ${first.text} (${at}).`);
  } finally {
    await stop();
  }
}
