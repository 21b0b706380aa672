/**
 * AgentStream: AG-UI's `HttpAgent` for an agent behind API Gateway and AgentCore. Copy this file; it needs only
 * `@ag-ui/client`. It adds what a page needs and a stock client lacks:
 *
 * - a question carries its new messages only: the agent keeps the history;
 * - a cut connection is taken up again: each event has an SSE id `<runId>:<n>`, and `attach` sends what follows n;
 * - `attach()` reads on a run that this page did not start, `history()` reads the conversation, `stop()` ends the run
 *   itself, where aborting the request would only stop reading;
 * - a fresh ID token (not the access token) for each request, and the session header where the stack asks for one.
 */
import { HttpAgent, type AgentSubscriber, type Message, type RunAgentInput } from "@ag-ui/client";

const SESSION_HEADER = "X-Amzn-Bedrock-AgentCore-Runtime-Session-Id";
/** Waits before each attempt to reach the agent again, in milliseconds: twelve seconds in all. */
const PATIENCE = [0, 500, 1_000, 2_000, 4_000, 4_500];
/** How an answer ends that was cut and could not be taken up again; the run may still go on. */
const LOST = { type: "RUN_ERROR", code: "CONNECTION_LOST", message: "The connection was cut and could not be taken up again." };

export interface AgentStreamConfig {
  /** POST goes here: the stack's output `invokeUrl`, or `/invocations` behind the page's own origin. */
  url: string;
  /** The conversation; with `sessionHeader` it is the session's id too, so at least 33 characters. */
  threadId: string;
  /** Called before each request: the user's ID token. */
  idToken: () => Promise<string>;
  /** True where the stack's `api.sessionFrom` is `header`. */
  sessionHeader?: boolean;
  /** Told true when the connection is cut in mid-answer, false when the answer goes on. */
  onCut?: (cut: boolean) => void;
  /** In place of the browser's own, to look at what passes. */
  fetch?: (url: string, init: RequestInit) => Promise<Response>;
}

export class AgentStream extends HttpAgent {
  readonly #config: AgentStreamConfig;

  constructor(config: AgentStreamConfig) {
    super({ url: config.url, threadId: config.threadId });
    this.#config = config;
    this.fetch = (_url, init) => this.#whole(init);
  }

  /** Read on the thread's latest run, from its state and messages so far; RUN_ERROR RUN_UNKNOWN when there is none. */
  attach = (subscriber?: AgentSubscriber) => this.runAgent({ forwardedProps: { attach: {} } }, subscriber);

  /** Read the conversation as the agent keeps it into `messages`, and the interrupt that waits for an answer. */
  history = (subscriber?: AgentSubscriber) => this.runAgent({ forwardedProps: { history: {} } }, subscriber);

  /** End the run that goes on in this thread, whoever reads it. False when none did. */
  async stop(): Promise<boolean> {
    const response = await this.#post({ threadId: this.threadId, stop: {} }, { method: "POST" });
    return response.ok && ((await response.json()) as { stopped: boolean }).stopped;
  }

  protected override requestInit(input: RunAgentInput): RequestInit {
    const asks = !(input.forwardedProps?.attach || input.forwardedProps?.history);
    return super.requestInit({ ...input, messages: asks ? newMessages(input.messages) : [], state: asks ? input.state : {} });
  }

  /** The response to a request, its body continued over cuts. */
  async #whole(init: RequestInit): Promise<Response> {
    const input = JSON.parse(init.body as string) as RunAgentInput;
    const response = await this.#post(input, init);
    if (!response.ok || !response.body) return response;
    const events = this.#events(response.body, input, init);
    const body = new ReadableStream<Uint8Array>({
      pull: async (sink) => {
        const { done, value } = await events.next();
        done ? sink.close() : sink.enqueue(new TextEncoder().encode(value));
      },
      cancel: async () => void (await events.return(undefined)),
    });
    return new Response(body, { status: response.status, headers: response.headers });
  }

  /** Whole server-sent events up to the terminal one; after a cut, those that follow the last one that came. */
  async *#events(body: ReadableStream<Uint8Array>, input: RunAgentInput, init: RequestInit): AsyncGenerator<string, void> {
    let last: { runId: string; after: number } | null = null;
    let passed = false;
    for (let failures = 0; ; failures++) {
      try {
        for await (const event of wholeEvents(body)) {
          if (failures) this.#config.onCut?.(false);
          failures = 0;
          const { id, type } = fields(event);
          if (id) last = { runId: id.slice(0, id.lastIndexOf(":")), after: Number(id.slice(id.lastIndexOf(":") + 1)) };
          passed ||= type !== undefined;
          yield event;
          if (type === "RUN_FINISHED" || type === "RUN_ERROR") return;
        }
      } catch (error) {
        if (init.signal?.aborted) throw error;
      }
      this.#config.onCut?.(true);
      // Without a number to go on from, events would come twice: only a question of which nothing came is sent again,
      // and the agent takes the same runId for the same run.
      const again = last ? { threadId: this.threadId, attach: last } : passed ? null : input;
      const next = again && (await this.#reach(again, init, failures));
      if (!next) return yield `data: ${JSON.stringify(LOST)}\n\n`;
      body = next;
    }
  }

  /** Try until a response begins: the network may be away for a while, and a busy gateway says 429 or 5xx. */
  async #reach(request: object, init: RequestInit, failures: number): Promise<ReadableStream<Uint8Array> | null> {
    for (const wait of PATIENCE.slice(failures)) {
      await new Promise((resolve) => setTimeout(resolve, wait));
      init.signal?.throwIfAborted();
      const response = await this.#post(request, init).catch(() => null);
      if (response?.ok) return response.body;
      if (response && response.status < 500 && response.status !== 429) break;
    }
    return null;
  }

  async #post(body: object, init: RequestInit): Promise<Response> {
    const headers = new Headers(init.headers);
    headers.set("Content-Type", "application/json");
    headers.set("Authorization", `Bearer ${await this.#config.idToken()}`);
    if (this.#config.sessionHeader) headers.set(SESSION_HEADER, this.threadId);
    return (this.#config.fetch ?? fetch)(this.url, { ...init, headers, body: JSON.stringify(body) });
  }
}

/** What is new in a conversation: tool results at its end, and the user's message after them. */
export function newMessages(messages: Message[]): Message[] {
  let start = messages.length;
  if (messages[start - 1]?.role === "user") start--;
  while (messages[start - 1]?.role === "tool") start--;
  return messages.slice(start);
}

/** The complete events of a body of server-sent events, as text with the blank line that ends each. */
async function* wholeEvents(body: ReadableStream<Uint8Array>): AsyncGenerator<string, void> {
  const reader = body.getReader();
  const decoder = new TextDecoder();
  try {
    for (let rest = ""; ; ) {
      const { done, value } = await reader.read();
      if (done) return;
      const parts = (rest + decoder.decode(value, { stream: true })).split("\n\n");
      rest = parts.pop() ?? "";
      for (const part of parts) yield `${part}\n\n`;
    }
  } finally {
    void reader.cancel().catch(() => undefined);
  }
}

/** The id of an event and its AG-UI type; a comment has neither. */
function fields(event: string): { id?: string; type?: string } {
  const found: { id?: string; type?: string } = {};
  for (const line of event.split("\n")) {
    if (line.startsWith("id:")) found.id = line.slice(3).trim();
    if (line.startsWith("data:")) found.type = (JSON.parse(line.slice(5)) as { type: string }).type;
  }
  return found;
}
