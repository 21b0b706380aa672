/** The local run's switches, as `local/run/control.py` serves them. */

export interface Fault {
  name: string;
  description: string;
  /** The doctor's check that finds it. */
  check: string;
}

export interface LocalState {
  fault: string;
  faults: Fault[];
}

export interface Finding {
  name: string;
  question: string;
  status: "pass" | "fail" | "inconclusive" | "skipped";
  seen: string;
  change: string;
}

/** Raises an error whose text is the local run's sentence. */
async function ask<T>(url: string, body?: object): Promise<T> {
  const how = body ? { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) } : {};
  const response = await fetch(url, how);
  const answer = (await response.json()) as T & { message?: string };
  if (!response.ok) throw new Error(answer.message ?? String(response.status));
  return answer;
}

export class LocalRun {
  constructor(readonly url: string) {}

  state = () => ask<LocalState>(`${this.url}/state`);
  /** Serve the chain with a fault; with the empty name, sound. */
  break = (name: string) => ask<LocalState>(`${this.url}/fault`, { name });
  examine = () => ask<{ exitCode: number; message: string; checks: Finding[] }>(`${this.url}/doctor`, {});
  /** The access log's line; it is written when the answer is over. */
  request = (id: string) => ask<Record<string, string>>(`${this.url}/requests/${encodeURIComponent(id)}`);
}
