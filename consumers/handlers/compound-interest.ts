/**
 * `compound-interest`: what `amount` grows to at a yearly `rate` over `years`, with interest added `periodsPerYear`
 * times a year: amount * (1 + rate / periodsPerYear) ^ (years * periodsPerYear). Decimal arithmetic throughout, and
 * one rounding, at the end.
 */
import { Decimal } from "decimal.js";
import { z } from "zod";
import { defineHandler } from "./define.ts";

/** Digits beyond those of the result that the arithmetic keeps, and how many of them may be wrong after it. */
const GUARD_DIGITS = 100;
const NOISE_DIGITS = 20;

export const compoundInterest = defineHandler({
  type: "compound-interest",
  version: 1,
  payload: z.strictObject({
    /** A number is taken as the decimal that it prints as: 0.1 is a tenth. */
    amount: z.union([z.number().min(0).max(1e15), z.string().regex(/^\d{1,15}(?:\.\d{1,10})?$/)], {
      error: "a number or a decimal string from 0 to 10^15, at most 10 decimals",
    }),
    /** A year's rate as a fraction: 0.05 is 5 %. */
    rate: z.number().min(0).max(10),
    years: z.number().min(0).max(200),
    periodsPerYear: z.int().min(1).max(366).default(1),
  }),
  run: ({ amount, rate, years, periodsPerYear }) => compound(amount, rate, years, periodsPerYear),
});

export interface Growth {
  /** Decimal strings with two decimals. */
  readonly total: string;
  readonly interest: string;
}

/**
 * Compound growth, exact to the cent: the exact value rounded once, half to even (IEEE 754-2019, 4.3.1,
 * roundTiesToEven; "banker's rounding"), so that 0.125 gives 0.12 and 0.135 gives 0.14. `interest` is the rounded
 * total less the amount, rounded the same way.
 * An exact half cent is met although (1 + rate / periods) need not be a finite decimal: the arithmetic keeps 100 digits
 * more than the result has; rounded by the 20 that may be noise, a half that is exact stands exact before the last
 * rounding. Misjudged would be a value that is no half and yet agrees with one in its first 80 decimals.
 * @param amount at least 0 @param rate a year's, as a fraction @param years may be broken: so is the exponent then
 */
export function compound(amount: number | string, rate: number, years: number, periodsPerYear: number): Growth {
  const magnitude = Math.ceil(periodsPerYear * years * Math.log10(1 + rate / periodsPerYear)) + 16;
  const precision = Math.ceil((magnitude + GUARD_DIGITS) / 64) * 64;
  const Exact = arithmeticOf(precision);
  const factor = new Exact(rate).div(periodsPerYear).plus(1);
  const total = new Exact(amount).times(factor.pow(new Exact(years).times(periodsPerYear)));
  const cents = toCents(total, precision);
  return { total: cents.toFixed(2), interest: toCents(cents.minus(amount), precision).toFixed(2) };
}

/** One for each precision, some 20 in all: decimal.js keeps it in a constructor, and making one a task costs 70 us. */
const arithmetics = new Map<number, typeof Decimal>();

function arithmeticOf(precision: number): typeof Decimal {
  let arithmetic = arithmetics.get(precision);
  if (!arithmetic) {
    arithmetic = Decimal.clone({ precision, rounding: Decimal.ROUND_HALF_EVEN, toExpPos: 9e15, toExpNeg: -9e15 });
    arithmetics.set(precision, arithmetic);
  }
  return arithmetic;
}

function toCents(value: Decimal, precision: number): Decimal {
  return value.toSignificantDigits(precision - NOISE_DIGITS).toDecimalPlaces(2, Decimal.ROUND_HALF_EVEN);
}
