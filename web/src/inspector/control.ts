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
  seconds: number;
}

/** What the doctor tells while it works: what it looks at, what it found, or why it could not look. */
type News = { looksAt: string } | Finding | { message: string };

/** Raises an error whose text is the local run's sentence. */
async function send(url: string, body?: object): Promise<Response> {
  const how = body ? { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) } : {};
  const response = await fetch(url, how);
  if (response.ok) return response;
  const { message } = (await response.json()) as { message?: string };
  throw new Error(message ?? String(response.status));
}

const ask = async <T>(url: string, body?: object): Promise<T> => (await (await send(url, body)).json()) as T;

export class LocalRun {
  constructor(readonly url: string) {}

  state = () => ask<LocalState>(`${this.url}/state`);
  /** Serve the chain with a fault; with the empty name, sound. */
  break = (name: string) => ask<LocalState>(`${this.url}/fault`, { name });
  /** The access log's line; it is written when the answer is over. */
  request = (id: string) => ask<Record<string, string>>(`${this.url}/requests/${encodeURIComponent(id)}`);

  /** Have the doctor look; each result as it comes. Raises what keeps it from looking. */
  async examine(looksAt: (check: string) => void, found: (finding: Finding) => void): Promise<void> {
    const response = await send(`${this.url}/doctor`, {});
    let rest = "";
    for await (const piece of piecesOf(response)) {
      const lines = (rest + piece).split("\n");
      rest = lines.pop() ?? "";
      for (const line of lines) {
        const news = JSON.parse(line) as News;
        if ("message" in news) throw new Error(news.message);
        if ("looksAt" in news) looksAt(news.looksAt);
        else found(news);
      }
    }
  }
}

/** Not `for await` over the body itself, which Safari does not know. */
async function* piecesOf(response: Response): AsyncGenerator<string, void> {
  const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
  for (let next = await reader?.read(); next && !next.done; next = await reader?.read()) yield next.value;
}
