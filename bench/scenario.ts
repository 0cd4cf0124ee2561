/** What every scenario is given, and how it measures: rounds in which the row and what it is held against take turns. */
import type { Api } from "./load/api.ts";
import { type Loader, type Shot, shoot } from "./load/shot.ts";
import { figureOf, ratioOf } from "./report/figure.ts";
import type { Beside, Row } from "./report/row.ts";
import { cpuTime } from "./service/cpu-time.ts";
import type { Service } from "./service/start.ts";

export interface Bench {
  readonly service: Service;
  readonly api: Api;
  readonly loader: Loader;
  readonly quick: boolean;
  /** Of each measurement under load. */
  readonly rounds: number;
  readonly seconds: number;
}

export interface Scenario {
  readonly name: string;
  /** Part of `--quick`. */
  readonly isQuick: boolean;
  run(bench: Bench): Promise<Row[]>;
}

export interface Sample {
  readonly value: number;
  /** Of the service, µs a request; null where it cannot be told. */
  readonly cpuUs: number | null;
  readonly requests: number;
}

export type Measure = () => Promise<Sample>;

/** Requests a second of one shot. */
export function loadOf({ service, loader, seconds }: Bench, shot: Shot): Measure {
  return async () => {
    const before = cpuTime(service.pid);
    const { perSecond, requests } = await shoot(loader, service.url, shot, seconds);
    const after = cpuTime(service.pid);
    service.forgetLog();
    return {
      value: perSecond,
      requests,
      cpuUs: before === null || after === null ? null : (after - before) / requests,
    };
  };
}

/** Once each for warmth, then `rounds` times A B C A B C …; samples by name. */
export async function alternate<Name extends string>(
  rounds: number,
  measures: Readonly<Record<Name, Measure>>,
): Promise<Readonly<Record<Name, readonly Sample[]>>> {
  const names = Object.keys(measures) as Name[];
  const samples = Object.fromEntries(names.map((name) => [name, [] as Sample[]])) as Record<Name, Sample[]>;
  for (let round = 0; round <= rounds; round++)
    for (const name of names) {
      const sample = await measures[name]();
      if (round > 0) samples[name].push(sample);
    }
  return samples;
}

export function valuesOf(samples: readonly Sample[], factor = 1): number[] {
  return samples.map(({ value }) => value * factor);
}

export function cpuOf(samples: readonly Sample[]) {
  const known = samples.flatMap(({ cpuUs }) => (cpuUs === null ? [] : [cpuUs]));
  return known.length === samples.length && known.length > 0 ? figureOf(known) : null;
}

/** A floor as it stands beside a row. */
export function beside(name: string, row: readonly Sample[], floor: readonly Sample[]): Beside {
  return {
    name,
    figure: figureOf(valuesOf(floor)),
    ratio: ratioOf(valuesOf(row), valuesOf(floor)),
    cpuUs: cpuOf(floor),
  };
}
