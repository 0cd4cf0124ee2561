/** Whether the local service could start here and now: its port and its state folder. One that runs already is well. */
import { CannotStart } from "../serve/cannot-start.ts";
import { checkPort } from "../serve/check-port.ts";
import { claimState, readCard, StateInUse } from "../serve/claim-state.ts";
import { type Finding, ill, well } from "./finding.ts";

export async function inspectPort(port: number, state: string): Promise<Finding> {
  try {
    await checkPort(port);
    return well("port", `${port} is free`);
  } catch (error) {
    if (!(error instanceof CannotStart)) throw error;
    const holder = readCard(state);
    if (holder?.port === port)
      return well("port", `${port} is this folder's own running service (process ${holder.pid})`);
    return ill("port", error.message);
  }
}

export function inspectState(state: string): Finding {
  try {
    claimState(state).release();
    return well("state folder", `${state} can be used`);
  } catch (error) {
    if (!(error instanceof CannotStart)) throw error;
    const holder = error instanceof StateInUse ? readCard(state) : null;
    if (holder !== null)
      return well("state folder", `${state} is in use by process ${holder.pid}, port ${holder.port}`);
    return ill("state folder", error.message);
  }
}
