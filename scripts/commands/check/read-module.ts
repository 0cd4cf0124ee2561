/** What a TypeScript file imports and calls, with line numbers, from its syntax tree: types and comments included or not as they are meant. */
import { parseAst } from "vitest/node";

export interface Spotted {
  /** A module specifier, or a dotted name that is called or constructed without arguments. */
  readonly name: string;
  readonly line: number;
}

export interface ModuleReading {
  readonly imports: readonly Spotted[];
  readonly calls: readonly Spotted[];
  /** First arguments of it, test and describe, `.each` and its like included, where they are texts. */
  readonly testNames: readonly Spotted[];
}

/** @throws SyntaxError with the parser's words */
export function readModule(text: string): ModuleReading {
  const imports: Spotted[] = [];
  const calls: Spotted[] = [];
  const testNames: Spotted[] = [];
  const starts = [0];
  for (let at = text.indexOf("\n"); at >= 0; at = text.indexOf("\n", at + 1)) starts.push(at + 1);
  const lineOf = (at: number) => starts.findLastIndex((start) => start <= at) + 1;
  walk(parseAst(text, { lang: "ts" }), (node) => {
    const { type, start } = node;
    if (/^(Import|ExportNamed|ExportAll)Declaration$|^(Import|TSImportType)(Expression)?$/.test(type)) {
      const specifier = node.source;
      if (isNode(specifier) && typeof specifier.value === "string")
        imports.push({ name: specifier.value, line: lineOf(start) });
    }
    if (type === "CallExpression") {
      calls.push({ name: dotted(node.callee), line: lineOf(start) });
      const name = /^(it|test|describe)$/.test(rootOf(node.callee)) ? firstText(node.arguments) : null;
      if (name !== null) testNames.push({ name, line: lineOf(start) });
    }
    if (type === "NewExpression" && Array.isArray(node.arguments) && node.arguments.length === 0)
      calls.push({ name: `new ${dotted(node.callee)}`, line: lineOf(start) });
  });
  return { imports, calls, testNames };
}

interface SyntaxNode {
  readonly type: string;
  readonly start: number;
  readonly [field: string]: unknown;
}

function isNode(value: unknown): value is SyntaxNode {
  return typeof value === "object" && value !== null && "type" in value && typeof value.type === "string";
}

function walk(value: unknown, see: (node: SyntaxNode) => void): void {
  if (Array.isArray(value)) for (const item of value) walk(item, see);
  else if (isNode(value)) {
    see(value);
    for (const field of Object.values(value)) walk(field, see);
  }
}

/** `it` of `it`, of `it.only` and of `it.each([…])`. */
function rootOf(node: unknown): string {
  if (!isNode(node)) return "";
  if (node.type === "Identifier") return String(node.name);
  return rootOf(node.type === "MemberExpression" ? node.object : node.callee);
}

function firstText(values: unknown): string | null {
  const first: unknown = Array.isArray(values) ? values[0] : undefined;
  if (!isNode(first)) return null;
  if (first.type === "Literal" && typeof first.value === "string") return first.value;
  const quasis: unknown = first.type === "TemplateLiteral" ? first.quasis : undefined;
  const start: unknown = Array.isArray(quasis) ? quasis[0] : undefined;
  return isNode(start) ? String(Reflect.get(Object(start.value), "raw")) : null;
}

/** `Date.now` of its tree, "" of anything that is not names and dots. */
function dotted(node: unknown): string {
  if (!isNode(node)) return "";
  if (node.type === "Identifier") return String(node.name);
  if (node.type !== "MemberExpression" || node.computed === true) return "";
  const object = dotted(node.object);
  const name = object === "" ? "" : `${object}.${dotted(node.property)}`;
  return name.replace(/^globalThis\./, "");
}
