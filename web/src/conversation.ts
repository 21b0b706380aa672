/** One conversation: what was said, what goes on, and what the user may do. The views only read its signals. */
import { batch, signal } from "@preact/signals";
import type { AgentSubscriber, ContentPart, Interrupt, Message, ResumeEntry, RunAgentParameters } from "@ag-ui/client";
import { AgentStream } from "./agent-stream";
import type { PageConfig } from "./config";
import { textOf } from "./images";
import { DECLARATIONS, PAGE_TOOLS, runPageTool } from "./page-tools";
import { ofRequest, ofRun, type Problem } from "./problems";
import type { SignIn } from "./signin";
import { text } from "./text";

/** `waiting` until the first word, `loading` while the conversation is read. */
export type Activity = "idle" | "loading" | "waiting" | "answering";

/** Codes of a run that cannot be attached to; the history is what remains. */
const NOTHING_TO_READ = ["RUN_UNKNOWN", "EVENTS_GONE"];
/** What the agent says with a history of how its last answer ended. */
interface Kept {
  lastOutcome?: string;
}
const CUT_SHORT = ["stopped", "replaced", "abandoned"];
/** A page's tools may be called again and again; a model that never stops calling them is stopped. */
const MOST_ROUNDS = 10;
const MOST_ANNOUNCED = 1_000;

export class Conversation {
  readonly messages = signal<Message[]>([]);
  readonly activity = signal<Activity>("idle");
  readonly cut = signal<"away" | "back" | null>(null);
  readonly problem = signal<Problem | null>(null);
  readonly stopped = signal(false);
  /** Ids of answers that the model did not finish. */
  readonly unfinished = signal<ReadonlySet<string>>(new Set());
  readonly interrupts = signal<Interrupt[]>([]);
  /** What a screen reader says: once at the start of an answer and once at its end, never every word. */
  readonly announcement = signal("");
  readonly #agent: AgentStream;
  readonly #signIn: SignIn;
  #painting = false;
  #aborted = false;

  constructor(config: PageConfig, signIn: SignIn, threadId: string, watch?: (url: string, init: RequestInit) => Promise<Response>) {
    this.#signIn = signIn;
    this.#agent = new AgentStream({
      url: config.invokeUrl,
      threadId,
      idToken: async () => (await signIn.idToken()) ?? (await this.#leave()),
      sessionHeader: config.sessionFrom === "header",
      onCut: (away) => (this.cut.value = away ? "away" : "back"),
      ...(watch ? { fetch: watch } : {}),
    });
  }

  get threadId(): string {
    return this.#agent.threadId;
  }

  get busy(): boolean {
    return this.activity.value !== "idle";
  }

  /** Show what the agent has of the conversation, and read on where a run is still going. */
  async load(): Promise<void> {
    this.activity.value = "loading";
    await this.#read(() => this.#agent.attach(this.#subscriber));
    if (NOTHING_TO_READ.includes(this.problem.value?.code ?? "")) {
      this.activity.value = "loading";
      await this.#read(() => this.#agent.history(this.#subscriber));
    }
    // Nothing is kept: an empty conversation says it as well as a line would.
    if (NOTHING_TO_READ.includes(this.problem.value?.code ?? "")) this.problem.value = null;
    await this.#continue();
  }

  async ask(content: string | ContentPart[]): Promise<void> {
    this.#agent.messages = [...this.#agent.messages, { id: crypto.randomUUID(), role: "user", content }];
    await this.#run({});
  }

  /** Ask an earlier question again, in other words or the same; what followed it is forgotten, by the agent too. */
  async again(messageId: string, content?: string | ContentPart[]): Promise<void> {
    const before = this.#agent.messages;
    const index = before.findIndex((one) => one.id === messageId);
    const question = before[index];
    if (question?.role !== "user") return;
    // The same id: the agent cuts its history at the turn that it begins.
    this.#agent.messages = [...before.slice(0, index), { ...question, content: content ?? question.content }];
    await this.#run({});
  }

  /** The last question, asked again. */
  async retry(): Promise<void> {
    const question = this.#agent.messages.findLast((one) => one.role === "user");
    if (question) await this.again(question.id);
    else await this.load();
  }

  /** Answer what the agent waits for; an entry `cancelled` refuses. */
  async resume(answers: ResumeEntry[]): Promise<void> {
    this.interrupts.value = [];
    await this.#run({ resume: answers });
  }

  /** End the run, not only the reading of it. */
  async stop(): Promise<void> {
    const ended = await this.#agent.stop().catch(() => false);
    if (ended) return; // the stream tells of it
    this.#abort();
    this.stopped.value = true;
  }

  /** Stop reading: another conversation is opened. The run goes on, and `load` takes it up again. */
  close(): void {
    if (this.busy) this.#abort();
  }

  #abort(): void {
    this.#aborted = true;
    this.#agent.abortRun();
  }

  async #run(parameters: RunAgentParameters): Promise<void> {
    this.announcement.value = text("answering");
    this.activity.value = "waiting";
    this.#paint();
    const again = () => this.#agent.runAgent({ tools: DECLARATIONS, ...parameters }, this.#subscriber);
    await this.#read(again);
    if (this.problem.value?.code === "401") {
      if (!(await this.#signIn.renew())) await this.#leave();
      this.activity.value = "waiting";
      await this.#read(again);
    }
    await this.#continue();
    this.#announceEnd();
  }

  /** Go to the login page; a question that was not answered yet waits in this browser until the user is back. */
  async #leave(): Promise<never> {
    const question = this.#agent.messages.at(-1);
    if (question?.role === "user") keepDraft(this.threadId, textOf(question.content));
    return this.#signIn.leave();
  }

  /** Run the page's tools that the agent has called, and let it go on with their results. */
  async #continue(): Promise<void> {
    for (let round = 0; round < MOST_ROUNDS && !this.problem.value && !this.stopped.value; round++) {
      const calls = this.#openCalls();
      if (!calls.length || this.interrupts.value.length) return;
      const results = await Promise.all(calls.map((call) => runPageTool(call.function.name, call.function.arguments)));
      const messages: Message[] = calls.map((call, index) => ({
        id: crypto.randomUUID(),
        role: "tool",
        toolCallId: call.id,
        content: results[index] ?? "",
      }));
      this.#agent.messages = [...this.#agent.messages, ...messages];
      this.activity.value = "waiting";
      await this.#read(() => this.#agent.runAgent({ tools: DECLARATIONS }, this.#subscriber));
    }
  }

  #openCalls() {
    const messages = this.#agent.messages;
    const since = messages.slice(messages.findLastIndex((one) => one.role === "user") + 1);
    const answered = new Set(since.map((one) => (one.role === "tool" ? one.toolCallId : "")));
    return since
      .flatMap((one) => (one.role === "assistant" ? (one.toolCalls ?? []) : []))
      .filter((call) => !answered.has(call.id) && PAGE_TOOLS.some((tool) => tool.name === call.function.name));
  }

  /** Read one response to its end; what went wrong is in `problem`. */
  async #read(begin: () => Promise<unknown>): Promise<void> {
    batch(() => {
      this.problem.value = null;
      this.stopped.value = false;
      this.cut.value = null;
    });
    this.#aborted = false;
    try {
      await begin();
    } catch (error) {
      if (!this.#aborted) this.problem.value ??= ofRequest(error);
    }
    batch(() => {
      const last = this.#agent.messages.at(-1);
      if (last?.role === "assistant" && (this.stopped.value || this.problem.value)) {
        this.unfinished.value = new Set([...this.unfinished.value, last.id]);
      }
      this.messages.value = [...this.#agent.messages];
      this.activity.value = "idle";
      if (this.cut.value === "away") this.cut.value = null;
    });
  }

  readonly #subscriber: AgentSubscriber = {
    onMessagesChanged: () => this.#paint(),
    onTextMessageContentEvent: () => this.#answering(),
    onToolCallStartEvent: () => this.#answering(),
    onReasoningMessageContentEvent: () => this.#answering(),
    onRunFinishedEvent: (end) => {
      if (end.outcome === "interrupt") this.interrupts.value = end.interrupts;
      const before = end.outcome === "success" ? (end.result as Kept | undefined)?.lastOutcome : undefined;
      if (end.outcome === "cancelled" || CUT_SHORT.includes(before ?? "")) this.stopped.value = true;
    },
    onRunErrorEvent: ({ event }) => {
      if (this.#aborted) return;
      if (event.code === "STOPPED") this.stopped.value = true;
      else this.problem.value = ofRun(event.code, event.message);
    },
  };

  #answering(): void {
    if (this.activity.value !== "answering") this.activity.value = "answering";
  }

  /** Show the messages once a frame: a fast model sends more words than a screen has frames. */
  #paint(): void {
    if (this.#painting) return;
    this.#painting = true;
    const show = () => {
      this.#painting = false;
      this.messages.value = [...this.#agent.messages];
    };
    // A page in the background has no frames.
    document.hidden ? setTimeout(show, 100) : requestAnimationFrame(show);
  }

  #announceEnd(): void {
    const last = this.#agent.messages.at(-1);
    if (this.stopped.value) this.announcement.value = text("stopped");
    else if (last?.role === "assistant" && !this.problem.value) {
      this.announcement.value = text("answered", { answer: textOf(last.content).slice(0, MOST_ANNOUNCED) });
    }
  }
}

const draftKey = (threadId: string) => `agent-stream.draft.${threadId}`;

export function keepDraft(threadId: string, words: string): void {
  sessionStorage.setItem(draftKey(threadId), words);
}

/** The question that waited while the user signed in again, once. */
export function takeDraft(threadId: string): string {
  const words = sessionStorage.getItem(draftKey(threadId)) ?? "";
  sessionStorage.removeItem(draftKey(threadId));
  return words;
}
