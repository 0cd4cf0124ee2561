import { describe, expect, test } from "vitest";
import { compound, compoundInterest } from "../../consumers/handlers/compound-interest.ts";

describe("A1 compound interest", () => {
  test.each([
    // Wikipedia, "Compound interest": 1,500 at 4.3 % a year, compounded quarterly, after 6 years.
    [1_500, 0.043, 6, 4, "1938.84", "438.84"],
    // thecalculatorsite.com: 5,000 at 5 % compounded monthly for 10 years.
    [5_000, 0.05, 10, 12, "8235.05", "3235.05"],
    // 1000 * 1.05^10 = 1628.894626777441…
    [1_000, 0.05, 10, 1, "1628.89", "628.89"],
    // Bernoulli's limit: (1 + 1/365)^365 = 2.714567482…
    [100, 1, 1, 365, "271.46", "171.46"],
    // 1.07^30 = 7.612255042662…
    ["1000000", 0.07, 30, 1, "7612255.04", "6612255.04"],
    [0, 0.05, 10, 1, "0.00", "0.00"],
    [1_000, 0, 200, 366, "1000.00", "0.00"],
    [1_000, 0.05, 0, 12, "1000.00", "0.00"],
  ])("%s at %s for %s years, %s times a year, is %s", (amount, rate, years, periods, total, interest) => {
    expect(compound(amount, rate, years, periods)).toEqual({ total, interest });
  });

  test("binary floating point does not get in: 0.1 and 0.2 are tenths", () => {
    expect(compound("0.30", 0, 1, 1).total).toBe("0.30");
    expect(compound(0.1 + 0.2, 0, 1, 1).total).toBe("0.30");
    expect(compound("123456789012345.67", 0.01, 1, 1).total).toBe("124691356902469.13");
  });

  test.each([
    ["0.125", 0, 1, 1, "0.12"],
    ["0.135", 0, 1, 1, "0.14"],
    [3, 0.5, 3, 1, "10.12"],
    // 135 * (31/30)^3 = 148.955 and 405 * (31/30)^3 = 446.865 exactly, though 1/30 has no end in decimals.
    [135, 0.1, 1, 3, "148.96"],
    [405, 0.1, 1, 3, "446.86"],
  ])(
    "an exact half cent goes to the even cent: %s at %s, %s years, %s a year → %s",
    (amount, rate, years, n, total) => {
      expect(compound(amount, rate, years, n).total).toBe(total);
    },
  );

  test("a broken number of periods is a broken exponent: 1.21^0.5 = 1.1", () => {
    expect(compound(100, 0.21, 0.5, 1).total).toBe("110.00");
    expect(compound("0.05", 0.21, 0.5, 1).total).toBe("0.06");
    expect(compound("0.15", 0.21, 0.5, 1).total).toBe("0.16");
  });

  test("1,000 draws agree to the cent with whole-number arithmetic on fractions", () => {
    const draw = drawer(20261124);
    for (let i = 0; i < 1_000; i++) {
      const cents = draw(10 ** draw(13));
      const permille = draw(1_000);
      const n = [1, 2, 3, 4, 7, 12, 52, 365][draw(8)] ?? 1;
      const years = draw(40);
      const amount = `${Math.floor(cents / 100)}.${String(cents % 100).padStart(2, "0")}`;
      const expected = exactTotal(BigInt(cents), BigInt(permille), n, years);
      expect(compound(amount, permille / 1_000, years, n).total, `${amount} ${permille} ${years} ${n}`).toBe(expected);
    }
  });

  test("the largest that is allowed is still exact, and quick enough for its attempt", () => {
    const expected = exactTotal(10n ** 17n, 10_000n, 366, 200);
    expect(compound(1e15, 10, 200, 366).total).toBe(expected);
  });
});

describe("A1 A8 what the schema refuses", () => {
  const good = { amount: 1_000, rate: 0.05, years: 10 };
  test.each([
    ["amount", "1000; DROP TABLE"],
    ["amount", -1_000],
    ["amount", "-1"],
    ["amount", "1e5"],
    ["amount", ""],
    ["amount", 1e16],
    ["amount", null],
    ["rate", "<script>alert('XSS')</script>"],
    ["rate", "0.05"],
    ["rate", -0.01],
    ["rate", 11],
    ["years", "10; rm -rf /"],
    ["years", 201],
    ["periodsPerYear", 0],
    ["periodsPerYear", 1.5],
    ["periodsPerYear", 367],
    ["more", 1],
  ])("%s: %o, at that field", (field, value) => {
    const parsed = compoundInterest.payload.safeParse({ ...good, [field]: value });
    expect(parsed.success).toBe(false);
    const [issue] = parsed.error?.issues ?? [];
    expect(issue?.code === "unrecognized_keys" ? issue.keys : issue?.path).toEqual([field]);
  });

  test("missing fields are each named", () => {
    const paths = compoundInterest.payload.safeParse({}).error?.issues.map((issue) => issue.path[0]);
    expect(paths).toEqual(["amount", "rate", "years"]);
  });

  test("periodsPerYear is 1 where it is not told", () => {
    expect(compoundInterest.payload.parse(good)).toEqual({ ...good, periodsPerYear: 1 });
  });
});

/** amount * ((1000 n + permille) / 1000 n)^(n years), rounded half to even by remainders. */
function exactTotal(cents: bigint, permille: bigint, n: number, years: number): string {
  const over = 1_000n * BigInt(n);
  const power = BigInt(n * years);
  const numerator = cents * (over + permille) ** power;
  const denominator = over ** power;
  const twice = (numerator % denominator) * 2n;
  let whole = numerator / denominator;
  if (twice > denominator || (twice === denominator && whole % 2n === 1n)) whole += 1n;
  const digits = String(whole).padStart(3, "0");
  return `${digits.slice(0, -2)}.${digits.slice(-2)}`;
}

/** Whole numbers from 0 to below the bound, the same for the same seed (mulberry32). */
function drawer(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return Math.floor((((t ^ (t >>> 14)) >>> 0) / 2 ** 32) * below);
  };
}
