/**
 * `factorial`: n! exactly, as a decimal string (20000! has 77,338 digits). The factors are multiplied as a balanced
 * tree, so that the large products are few and of equal halves, where BigInt is quick; between portions the event loop
 * gets its turn, so that the other tasks of the session go on.
 */
import { z } from "zod";
import { defineHandler, type TaskContext } from "./define.ts";

/** Factors a leaf multiplies one by one. */
const LEAF = 32;
/** Leaves between two turns of the event loop. */
const PORTION = 128;
/** Beyond this, each round of products takes milliseconds (20000!: 30 ms in all, measured; 5000!: 4 ms). */
const LARGE = 5_000;

export const factorial = defineHandler({
  type: "factorial",
  version: 1,
  payload: z.strictObject({ n: z.int().min(0).max(20_000) }),
  async run({ n }, ctx) {
    let products: bigint[] = [];
    for (let low = 2; low <= n; low += LEAF) {
      products.push(multiplyRange(low, Math.min(low + LEAF - 1, n)));
      if (products.length % PORTION === 0) await turn(ctx);
    }
    while (products.length > 1) {
      if (n > LARGE) await turn(ctx);
      products = multiplyPairs(products);
    }
    return String(products[0] ?? 1n);
  },
});

function multiplyRange(low: number, high: number): bigint {
  let product = BigInt(low);
  for (let factor = low + 1; factor <= high; factor++) product *= BigInt(factor);
  return product;
}

function multiplyPairs(products: readonly bigint[]): bigint[] {
  const half: bigint[] = [];
  for (let i = 0; i < products.length; i += 2) half.push((products[i] ?? 1n) * (products[i + 1] ?? 1n));
  return half;
}

/** Asks for the signal only here: making one costs more than a small factorial. */
async function turn(ctx: TaskContext): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, 0));
  ctx.signal.throwIfAborted();
}
