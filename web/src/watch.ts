/** What passes between page and API, for the inspector: each event with the moment that it came and its bytes. */
import { signal } from "@preact/signals";

export interface Arrival {
  /** Milliseconds since the request was sent. */
  at: number;
  bytes: number;
  /** The AG-UI type, or `comment` for a heartbeat. */
  type: string;
  /** Words of the answer, where the event carries some. */
  delta: string;
  /** When the agent made it, milliseconds since the request was sent, by this machine's clock; NaN for a comment. */
  made: number;
}

export interface Exchange {
  id: number;
  /** What the request asks for: `run`, `attach`, `stop` or `history`. */
  kind: string;
  sent: number;
  status: number | null;
  /** Milliseconds from the request to its response's head. */
  head: number | null;
  /** The gateway's id of the request, under which the access log has it. */
  requestId: string;
  arrivals: Arrival[];
  ended: number | null;
}

const MOST_EXCHANGES = 20;

/** An event ends with a blank line, a comment with its own. */
const END = /\n\n|(?<=^:.*)\n/m;

/** Copies of what goes on, for a view shows again only what is another object. */
export const exchanges = signal<Exchange[]>([]);
let going: Exchange[] = [];
let count = 0;
let scheduled = false;

/** The browser's `fetch`, noting what comes. The bytes pass as they are. */
export async function watchedFetch(url: string, init: RequestInit): Promise<Response> {
  const started = performance.now();
  const one: Exchange = {
    id: ++count,
    kind: kindOf(init.body as string),
    sent: Date.now(),
    status: null,
    head: null,
    requestId: "",
    arrivals: [],
    ended: null,
  };
  going = [one, ...going].slice(0, MOST_EXCHANGES);
  tell();
  const over = () => {
    one.ended ??= performance.now() - started;
    tell();
  };
  try {
    const response = await fetch(url, init);
    one.status = response.status;
    one.head = performance.now() - started;
    one.requestId = response.headers.get("x-amzn-requestid") ?? "";
    tell();
    if (!response.body) return response;
    const body = response.body.pipeThrough(noting(one, started, over));
    return new Response(body, { status: response.status, headers: response.headers });
  } catch (error) {
    over();
    throw error;
  }
}

function noting(one: Exchange, started: number, over: () => void): TransformStream<Uint8Array<ArrayBuffer>, Uint8Array<ArrayBuffer>> {
  const decoder = new TextDecoder();
  let rest = "";
  return new TransformStream({
    transform(chunk, passOn) {
      passOn.enqueue(chunk);
      const at = performance.now() - started;
      const parts = (rest + decoder.decode(chunk, { stream: true })).split(END);
      rest = parts.pop() ?? "";
      for (const part of parts) if (part) one.arrivals.push(arrival(part, at, one.sent));
      // The reader leaves at the terminal event and waits for no end of the body.
      if (/^RUN_(FINISHED|ERROR)$/.test(one.arrivals.at(-1)?.type ?? "")) over();
      else tell();
    },
    flush: over,
  });
}

function arrival(event: string, at: number, sent: number): Arrival {
  const data = event.split("\n").find((line) => line.startsWith("data:"))?.slice(5);
  const bytes = new TextEncoder().encode(event).length + 2;
  if (!data) return { at, bytes, type: "comment", delta: "", made: NaN };
  try {
    const { type, delta, timestamp } = JSON.parse(data) as { type: string; delta?: unknown; timestamp?: number };
    const made = typeof timestamp === "number" ? timestamp - sent : NaN;
    return { at, bytes, type, delta: typeof delta === "string" ? delta : "", made };
  } catch {
    return { at, bytes, type: "?", delta: "", made: NaN };
  }
}

function kindOf(body: string): string {
  const asked = JSON.parse(body) as Record<string, unknown>;
  const forwarded = (asked.forwardedProps ?? {}) as Record<string, unknown>;
  return ["attach", "stop", "history"].find((kind) => asked[kind] || forwarded[kind]) ?? "run";
}

/** Once a frame at most. */
function tell(): void {
  if (scheduled) return;
  scheduled = true;
  setTimeout(() => {
    scheduled = false;
    exchanges.value = going.map((each) => ({ ...each }));
  }, 50);
}
