/** What the doctor found about one thing; of a fault the detail ends with the remedy. */
export interface Finding {
  readonly what: string;
  readonly detail: string;
  readonly state: "ok" | "warning" | "FAULT";
}

export const well = (what: string, detail: string): Finding => ({ what, detail, state: "ok" });
export const odd = (what: string, detail: string): Finding => ({ what, detail, state: "warning" });
export const ill = (what: string, detail: string): Finding => ({ what, detail, state: "FAULT" });
