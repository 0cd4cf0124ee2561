/** The environment in which the project's tools find the project's own Node, whoever started the script and how. */
import { delimiter, join } from "node:path";

export function withOwnNode(root: string, env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return { ...env, PATH: [join(root, "node_modules/.bin"), env.PATH ?? ""].join(delimiter) };
}
