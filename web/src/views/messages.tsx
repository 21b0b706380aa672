/** What was said, and what the agent did for it. */
import { useComputed, useSignal } from "@preact/signals";
import type { Message, ToolCall } from "@ag-ui/client";
import { useEffect, useRef } from "preact/hooks";
import type { Conversation } from "../conversation";
import { imagesOf, textOf } from "../images";
import { text } from "../text";
import { Answer } from "./answer";
import { Icon, IconButton, type Picture } from "./icons";

/** Nearer than this to the end, in pixels, the view follows the answer. */
const FOLLOWS = 80;

export function Messages({ conversation, onAsk }: { conversation: Conversation; onAsk: (words: string) => void }) {
  const view = useRef<HTMLDivElement>(null);
  const content = useRef<HTMLDivElement>(null);
  const following = useSignal(true);
  const top = useRef(0);
  const messages = conversation.messages.value;
  const results = new Map(messages.flatMap((one) => (one.role === "tool" ? [[one.toolCallId, textOf(one.content)]] : [])));
  const empty = !messages.length && conversation.activity.value === "idle" && !conversation.problem.value;

  const toEnd = () => view.current && (view.current.scrollTop = view.current.scrollHeight);
  useEffect(() => {
    // Whatever makes the content longer, a word, a step that is unfolded or a line about an error.
    const grows = new ResizeObserver(() => following.peek() && toEnd());
    grows.observe(content.current as HTMLElement);
    grows.observe(view.current as HTMLElement);
    return () => grows.disconnect();
  }, []);
  useEffect(
    () =>
      conversation.activity.subscribe((activity) => {
        if (activity === "waiting") following.value = true; // the user has just asked
      }),
    [conversation],
  );
  const onScroll = () => {
    const { scrollHeight, scrollTop, clientHeight } = view.current as HTMLDivElement;
    // Only moving up is looking back. This event also follows on `toEnd`, and by then the content may be longer again.
    if (scrollHeight - scrollTop - clientHeight < FOLLOWS) following.value = true;
    else if (scrollTop < top.current) following.value = false;
    top.current = scrollTop;
  };

  return (
    <div class="scroll">
      {/* Scrolls, so it must be reachable by keyboard; silent, for the status line says what a screen reader should say. */}
      <div class="messages" role="log" aria-live="off" aria-busy={conversation.busy} aria-label={text("title")} tabIndex={0} ref={view} onScroll={onScroll}>
        <div class="content" ref={content}>
          {empty && <Empty onAsk={onAsk} />}
          {messages.map((one) => (
            <Said key={one.id} message={one} results={results} conversation={conversation} live={conversation.busy && one === messages.at(-1)} last={one === messages.at(-1)} />
          ))}
          <Standing conversation={conversation} />
        </div>
      </div>
      {!following.value && <IconButton picture="down" name={text("toEnd")} class="to-end" onClick={() => { following.value = true; toEnd(); }} />}
    </div>
  );
}

/** What one may begin with: a click asks it. */
function Empty({ onAsk }: { onAsk: (words: string) => void }) {
  return (
    <div class="empty">
      <img src="/icon.svg" alt="" width="48" height="48" />
      <h2>{text("emptyTitle")}</h2>
      <p>{text("emptyHint")}</p>
      <div class="starters">
        {([text("starter1"), text("starter2"), text("starter3")]).map((words) => (
          <button key={words} type="button" onClick={() => onAsk(words)}>{words}</button>
        ))}
      </div>
    </div>
  );
}

interface SaidProps {
  message: Message;
  results: Map<string, string>;
  conversation: Conversation;
  live: boolean;
  last: boolean;
}

function Said({ message, results, conversation, live, last }: SaidProps) {
  const unfinished = useComputed(() => conversation.unfinished.value.has(message.id)).value && !last;
  switch (message.role) {
    case "user":
      return <Question message={message} conversation={conversation} />;
    case "reasoning":
      return <Step picture="thought" title={text("reasoning")} state={live ? "running" : "over"}><p class="thought">{textOf(message.content)}</p></Step>;
    case "assistant":
      return (
        <>
          {message.toolCalls?.map((call) => <Call key={call.id} call={call} result={results.get(call.id)} going={conversation.busy} />)}
          {message.content && <Answer words={textOf(message.content)} live={live} unfinished={unfinished} />}
        </>
      );
    default:
      return null;
  }
}

function Question({ message, conversation }: { message: Message; conversation: Conversation }) {
  const editing = useSignal(false);
  const words = textOf(message.content);
  if (editing.value) {
    const submit = (event: SubmitEvent) => {
      event.preventDefault();
      const changed = new FormData(event.currentTarget as HTMLFormElement).get("words") as string;
      editing.value = false;
      if (changed.trim()) void conversation.again(message.id, changed);
    };
    return (
      <form class="question editing" onSubmit={submit}>
        <label><span class="unseen">{text("edit")}</span><textarea name="words" rows={3} defaultValue={words} ref={(element) => element?.focus()} /></label>
        <div class="tools shown">
          <button type="button" onClick={() => (editing.value = false)}>{text("cancel")}</button>
          <button type="submit" class="primary">{text("send")}</button>
        </div>
      </form>
    );
  }
  return (
    <article class="question" aria-label={text("you")}>
      <div class="bubble">
        {imagesOf(message.content).map((address, index) => <img key={index} src={address} alt="" />)}
        {words && <p>{words}</p>}
      </div>
      {/* There also while an answer is made, though empty: nothing moves when it ends. */}
      <div class="tools">
        {!conversation.busy && (
          <>
            <IconButton picture="edit" name={text("edit")} onClick={() => (editing.value = true)} />
            <IconButton picture="retry" name={text("retry")} onClick={() => void conversation.again(message.id)} />
          </>
        )}
      </div>
    </article>
  );
}

function Call({ call, result, going }: { call: ToolCall; result: string | undefined; going: boolean }) {
  return (
    <Step picture="tool" title={text("toolCall", { name: call.function.name })} state={result !== undefined ? "over" : going ? "running" : "open"}>
      <p class="name">{text("toolArguments")}</p>
      <pre tabIndex={0}>{readable(call.function.arguments)}</pre>
      {result !== undefined && <><p class="name">{text("toolResult")}</p><pre tabIndex={0}>{readable(result)}</pre></>}
    </Step>
  );
}

interface StepProps {
  picture: Picture;
  title: string;
  /** A call is `open` that nobody works on: it waits for a decision, or the run ended before its result. */
  state: "running" | "over" | "open";
  children: preact.ComponentChildren;
}

function Step({ picture, title, state, children }: StepProps) {
  return (
    <details class="step">
      <summary>
        <Icon picture={picture} />
        {title}
        {state === "running" && <span class="running">{text("stepRunning")}</span>}
        {state === "over" && <span class="over"><Icon picture="done" /></span>}
      </summary>
      <div class="inside">{children}</div>
    </details>
  );
}

function readable(json: string): string {
  try {
    return JSON.stringify(JSON.parse(json), null, 2);
  } catch {
    return json;
  }
}

/** How it stands: waiting, cut, stopped, failed. */
function Standing({ conversation }: { conversation: Conversation }) {
  const activity = conversation.activity.value;
  const problem = conversation.problem.value;
  return (
    <div class="standing">
      {activity === "loading" && <p>{text("loading")}</p>}
      {activity === "waiting" && <p class="waiting"><span class="dots" aria-hidden="true"><i /><i /><i /></span><span class="unseen">{text("waiting")}</span></p>}
      {conversation.cut.value === "away" && <p role="status" class="cut">{text("reconnecting")}</p>}
      {conversation.cut.value === "back" && conversation.busy && <p role="status" class="cut">{text("resumed")}</p>}
      {conversation.stopped.value && <p class="note">{text("stopped")}</p>}
      {problem && (
        <div class="problem" role="alert" data-code={problem.code}>
          <p>{problem.line}</p>
          {problem.retry && <button type="button" onClick={() => void conversation.retry()}><Icon picture="retry" />{text("retry")}</button>}
        </div>
      )}
    </div>
  );
}
