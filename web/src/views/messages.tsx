/** What was said, and what the agent did for it. */
import { useSignal, useSignalEffect } from "@preact/signals";
import type { Message, ToolCall } from "@ag-ui/client";
import { useEffect, useMemo, useRef } from "preact/hooks";
import type { Conversation } from "../conversation";
import { imagesOf, textOf } from "../images";
import { toHtml } from "../markdown";
import { text } from "../text";

/** Nearer than this to the end, in pixels, the view follows the answer. */
const FOLLOWS = 80;

export function Messages({ conversation }: { conversation: Conversation }) {
  const view = useRef<HTMLDivElement>(null);
  const following = useRef(true);
  const messages = conversation.messages.value;
  const activity = conversation.activity.value;
  const results = new Map(messages.flatMap((one) => (one.role === "tool" ? [[one.toolCallId, textOf(one.content)]] : [])));

  useEffect(() => {
    const element = view.current;
    if (element && following.current) element.scrollTop = element.scrollHeight;
  });
  useSignalEffect(() => {
    if (conversation.activity.value === "waiting") following.current = true; // the user has just asked
  });
  const onScroll = () => {
    const element = view.current as HTMLDivElement;
    following.current = element.scrollHeight - element.scrollTop - element.clientHeight < FOLLOWS;
  };

  return (
    // Scrolls, so it must be reachable by keyboard; silent, for the status line says what a screen reader should say.
    <div class="messages" role="log" aria-live="off" aria-busy={conversation.busy} aria-label={text("title")} tabIndex={0} ref={view} onScroll={onScroll}>
      {!messages.length && activity === "idle" && !conversation.problem.value && (
        <div class="empty">
          <h2>{text("emptyTitle")}</h2>
          <p>{text("emptyHint")}</p>
        </div>
      )}
      {messages.map((one) => (
        <Said key={one.id} message={one} results={results} conversation={conversation} live={conversation.busy && one === messages.at(-1)} />
      ))}
      <Standing conversation={conversation} />
    </div>
  );
}

interface SaidProps {
  message: Message;
  results: Map<string, string>;
  conversation: Conversation;
  live: boolean;
}

function Said({ message, results, conversation, live }: SaidProps) {
  switch (message.role) {
    case "user":
      return <Question message={message} conversation={conversation} />;
    case "reasoning":
      return <Step title={text("reasoning")} running={live}><p class="thought">{textOf(message.content)}</p></Step>;
    case "assistant":
      return (
        <>
          {message.toolCalls?.map((call) => <Call key={call.id} call={call} result={results.get(call.id)} />)}
          {message.content && <Answer words={textOf(message.content)} live={live} />}
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
          <button type="submit" class="primary">{text("send")}</button>
          <button type="button" onClick={() => (editing.value = false)}>{text("cancel")}</button>
        </div>
      </form>
    );
  }
  return (
    <article class="question" aria-label={text("you")}>
      <div class="bubble">
        {imagesOf(message.content).map((address, index) => <img key={index} src={address} alt="" />)}
        <p>{words}</p>
      </div>
      {!conversation.busy && (
        <div class="tools">
          <button type="button" class="quiet" onClick={() => (editing.value = true)}>{text("edit")}</button>
          <button type="button" class="quiet" onClick={() => void conversation.again(message.id)}>{text("retry")}</button>
        </div>
      )}
    </article>
  );
}

function Answer({ words, live }: { words: string; live: boolean }) {
  const html = useMemo(() => toHtml(words), [words]);
  const copied = useSignal(false);
  const copy = async () => {
    await navigator.clipboard.writeText(words);
    copied.value = true;
    setTimeout(() => (copied.value = false), 1_500);
  };
  return (
    <article class={`answer${live ? " live" : ""}`} aria-label={text("agent")}>
      <div class="markdown" dangerouslySetInnerHTML={{ __html: html as unknown as string }} />
      {!live && (
        <div class="tools">
          <button type="button" class="quiet" onClick={() => void copy()}>{text(copied.value ? "copied" : "copy")}</button>
        </div>
      )}
    </article>
  );
}

function Call({ call, result }: { call: ToolCall; result: string | undefined }) {
  return (
    <Step title={text("toolCall", { name: call.function.name })} running={result === undefined}>
      <p class="name">{text("toolArguments")}</p>
      <pre tabIndex={0}>{readable(call.function.arguments)}</pre>
      {result !== undefined && <><p class="name">{text("toolResult")}</p><pre tabIndex={0}>{readable(result)}</pre></>}
    </Step>
  );
}

function Step({ title, running, children }: { title: string; running: boolean; children: preact.ComponentChildren }) {
  return (
    <details class="step">
      <summary>{title}{running && <span class="running"> · {text("stepRunning")}</span>}</summary>
      {children}
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
          {problem.retry && <button type="button" onClick={() => void conversation.retry()}>{text("retry")}</button>}
        </div>
      )}
    </div>
  );
}
