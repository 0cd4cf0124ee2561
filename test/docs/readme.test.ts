/** What the README and the pages say of the code stands in the code: the example, the settings, every link. */
import { existsSync, globSync, readFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { describe, expect, it } from "vitest";
import { DEFAULT_RETRY } from "../../core/retry.ts";
import { DEFAULT_SETTINGS } from "../../core/schema/queue-settings.ts";

const ROOT = resolve(import.meta.dirname, "../..");
const read = (path: string) => readFileSync(join(ROOT, path), "utf8");
const readme = read("README.md");

/** Rows of the table below a heading, cells without backticks. */
function tableBelow(page: string, heading: string): string[][] {
  const section = page
    .slice(page.indexOf(`\n${heading}\n`))
    .split("\n## ", 2)
    .join("\n## ");
  const rows = section.split("\n").filter((line) => line.startsWith("| `"));
  return rows.map((row) =>
    row
      .slice(1, -1)
      .split(" | ")
      .map((cell) => cell.trim().replaceAll("`", "")),
  );
}

describe("README.md", () => {
  it("shows examples/notify.ts as it is", () => {
    const [, ...code] = read("examples/notify.ts").split("\n");
    expect(readme).toContain(`\`\`\`ts\n${code.join("\n")}\`\`\``);
  });

  it("has every queue setting with its default", () => {
    const { version: _, paused: __, draining: ___, deleted: ____, generation: _____, ...settings } = DEFAULT_SETTINGS;
    const told = tableBelow(readme, "## Queues").map(([name, value]) => [name, JSON.parse(value ?? "")]);
    expect(Object.fromEntries(told)).toEqual(settings);
  });

  it("has the defaults of retries", () => {
    const { maxAttempts, baseMs, capMs } = DEFAULT_RETRY;
    expect(readme).toContain(`\`maxAttempts\` ${maxAttempts}`);
    expect(readme).toContain(`\`baseMs\` ${baseMs}, \`capMs\` ${capMs}`);
  });
});

describe("the pages", () => {
  const pages = globSync(["*.md", "docs/**/*.md"], { cwd: ROOT });

  it.each(pages)("%s has no link to what is not there", (page) => {
    const links = Array.from(read(page).matchAll(/\]\(([^)#\s]+)(?:#[^)]*)?\)/g), ([, target = ""]) => target);
    const local = links.filter((target) => !/^[a-z]+:/.test(target));
    expect(local.filter((target) => !existsSync(join(ROOT, dirname(page), target)))).toEqual([]);
  });

  it("name files that are there", () => {
    const paths = pages.flatMap((page) =>
      Array.from(
        read(page).matchAll(
          /`((?:core|src|durable-objects|consumers|history|scripts|examples|test|bench)\/[\w./-]+\.ts)`/g,
        ),
        ([, path = ""]) => path,
      ),
    );
    expect(paths.length).toBeGreaterThan(10);
    expect(paths.filter((path) => !existsSync(join(ROOT, path)))).toEqual([]);
  });
});
