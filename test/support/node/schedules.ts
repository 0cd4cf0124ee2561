/** Schedules for tests of the Directory: legal ones, said in few words. */
import type { FireRecord, ScheduleDefinition, ScheduleRecord } from "../../../core/schema/schedule-rpc.ts";
import { getSchedule, listFires } from "../../../durable-objects/directory/schedules/read-schedules.ts";
import { createSchedule } from "../../../durable-objects/directory/schedules/save-schedule.ts";
import { type DirectoryWorld, START } from "./directory-world.ts";

export function definition(told: Partial<ScheduleDefinition> = {}): ScheduleDefinition {
  return {
    type: "echo",
    version: 1,
    payload: '{"n":1}',
    options: null,
    priority: 5,
    queue: null,
    timing: { kind: "every", everySeconds: 60 },
    missed: "once",
    startAt: null,
    endAt: null,
    ...told,
  };
}

export const every = (everySeconds: number, told: Partial<ScheduleDefinition> = {}) =>
  definition({ timing: { kind: "every", everySeconds }, ...told });
export const cron = (expression: string, told: Partial<ScheduleDefinition> = {}, timezone = "UTC") =>
  definition({ timing: { kind: "cron", cron: expression, timezone }, ...told });
export const at = (moment: number, told: Partial<ScheduleDefinition> = {}) =>
  definition({ timing: { kind: "at", at: moment }, ...told });

/** Makes a schedule; throws where it is refused. */
export async function add(world: DirectoryWorld, id: string, told: ScheduleDefinition): Promise<ScheduleRecord> {
  const answer = await createSchedule(world.directory(), { id, definition: told, paused: false });
  if (!answer.ok) throw new Error(`${answer.code}: ${answer.detail}`);
  return answer.schedule;
}

/** The schedule as it is; throws where there is none. */
export async function see(world: DirectoryWorld, id: string): Promise<ScheduleRecord> {
  const answer = await getSchedule(world.directory(), { id });
  if (!answer.ok) throw new Error(`${answer.code}: ${answer.detail}`);
  return answer.schedule;
}

/** Its fires, the newest first. */
export async function fires(world: DirectoryWorld, id = "a"): Promise<readonly FireRecord[]> {
  const answer = await listFires(world.directory(), { id, before: null, limit: 100 });
  if (!answer.ok) throw new Error(answer.detail);
  return answer.fires;
}

/** `seconds-from-the-start STATUS` of each, the oldest first. */
export async function told(world: DirectoryWorld): Promise<string[]> {
  return (await fires(world)).map(({ fireAt, status }) => `${(fireAt - START) / 1_000} ${status}`).reverse();
}
