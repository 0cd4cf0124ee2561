/** A runtime that died: how often another one is started, and what is said in the end. */
import { describe, expect, it } from "vitest";
import { CannotStart } from "../../scripts/commands/serve/cannot-start.ts";
import { type ComingRuntime, comeBackFrom } from "../../scripts/commands/serve/come-back.ts";
import { startOver } from "../../scripts/commands/serve/start-over.ts";
import { RuntimeKilled, watchDeaths } from "../../scripts/commands/serve/watch-deaths.ts";

const DEATH = { pid: 7, by: "SIGKILL" };

function comeBack(runtime: Partial<ComingRuntime>) {
  const said: string[] = [];
  const waits: number[] = [];
  const { promise, resolve } = Promise.withResolvers<string>();
  const say = (sentence: string) => {
    said.push(sentence);
    if (sentence.startsWith("The runtime is back")) resolve(sentence);
  };
  const all = { ready: async () => {}, again: async () => {}, wake: async () => {}, ...runtime };
  const back = comeBackFrom(all, say, resolve, async (ms) => void waits.push(ms));
  return { back, said, waits, end: promise };
}
const failing = async () => {
  throw new CannotStart("Port 1 is taken.");
};

describe("198 196 a runtime that died", () => {
  it("is given up after six tries, ever later, in one sentence that names cause and remedy", async () => {
    const { back, waits, end } = comeBack({ ready: failing, again: failing });
    back.died(DEATH);
    expect(await end).toMatch(/could not be started again in 6 tries\. Port 1 is taken\. .*npm run doctor.*npm start/);
    expect(waits).toEqual([500, 1_000, 2_000, 4_000, 8_000]);
  });

  it("tells no stack of what Miniflare throws, and comes back by a later try", async () => {
    let tries = 0;
    const { back, said, end } = comeBack({
      ready: async () => {
        throw new Error("MiniflareCoreError");
      },
      again: async () => {
        if (++tries < 3) await failing();
      },
    });
    back.died(DEATH);
    await end;
    expect(tries).toBe(3);
    expect(said.join(" ")).not.toContain("Miniflare");
  });

  it("that dies again while it comes back is a part of the same return; later it is another one", async () => {
    let readied = 0;
    const world: ReturnType<typeof comeBack> = comeBack({
      ready: async () => {
        if (++readied === 1) world.back.died(DEATH);
      },
    });
    world.back.died(DEATH);
    await world.end;
    expect([readied, world.said.length]).toEqual([2, 3]);
  });

  it("whatever the platform calls it, is told in whole sentences", async () => {
    const dying = async () => {
      throw new RuntimeKilled(DEATH);
    };
    const { back, end } = comeBack({ ready: dying, again: dying });
    back.died(DEATH);
    expect(await end).toMatch(
      /in 6 tries\. It died of SIGKILL before it listened\. Nothing that was accepted is lost: /,
    );
  });

  it("before it ever listened is started again as seldom and as often; any other failure is final", async () => {
    const said: string[] = [];
    const waits: number[] = [];
    let starts = 0;
    const over = (fail: (n: number) => Error | null) =>
      startOver(
        async () => {
          const fault = fail(++starts);
          if (fault) throw fault;
          return "up";
        },
        (sentence) => void said.push(sentence),
        async (ms) => void waits.push(ms),
      );
    expect(await over((n) => (n < 3 ? new RuntimeKilled(DEATH) : null))).toBe("up");
    expect([waits, said.length]).toEqual([[500, 1_000], 2]);
    await expect(over(() => new RuntimeKilled(DEATH))).rejects.toThrow(
      /in 6 tries\. It died of SIGKILL before it listened\. .*npm run doctor.*npm start again\.$/,
    );
    starts = 0;
    await expect(over(() => new CannotStart("Port 1 is taken."))).rejects.toThrow(/^Port 1 is taken\.$/);
    expect(starts).toBe(1);
  });

  it("is known to have been killed also where that is told a moment later; one that ended by itself had its reason", async () => {
    const deaths = watchDeaths();
    deaths.note({ pid: 1, by: "code 1" });
    expect(await deaths.killedSince(0)).toBeNull();
    const asked = deaths.killedSince(1);
    deaths.note(DEATH);
    expect([await asked, deaths.count()]).toEqual([DEATH, 2]);
  });

  it("is not replaced any more once the service stops", async () => {
    const { promise, resolve } = Promise.withResolvers<void>();
    const { back, said } = comeBack({ ready: () => promise });
    back.died(DEATH);
    back.stop();
    resolve();
    await promise;
    expect(said).toHaveLength(1);
  });
});
