/** The whole page: conversations on the left, the open one in the middle, the inspector on the right when asked for. */
import { signal, useSignal, useSignalEffect } from "@preact/signals";
import type { ComponentType } from "preact";
import { useMemo } from "preact/hooks";
import type { PageConfig } from "../config";
import { Conversation } from "../conversation";
import { watchedFetch } from "../watch";
import type { SignIn } from "../signin";
import { language, speak, text } from "../text";
import { THEMES, theme, type Theme } from "../theme";
import { Threads } from "../threads";
import { Approval } from "./approval";
import { Composer } from "./composer";
import { Icon, IconButton } from "./icons";
import { Messages } from "./messages";

export interface InspectorProps {
  config: PageConfig;
  close: () => void;
}

/** Loaded when it is first asked for, so that it costs nobody else a byte. */
const inspector = signal<ComponentType<InspectorProps> | null>(null);
const INSPECT = "agent-stream.inspector";

interface Props {
  config: PageConfig;
  signIn: SignIn;
  user: { id: string; name: string };
}

export function Page({ config, signIn, user }: Props) {
  const threads = useMemo(() => new Threads(user.id), []);
  const menu = useSignal(false);
  const inspecting = useSignal(sessionStorage.getItem(INSPECT) === "on");
  const conversation = useSignal<Conversation | null>(null);

  useSignalEffect(() => {
    const id = threads.open.value;
    const before = conversation.peek();
    if (before?.threadId === id) return;
    before?.close();
    const opened = new Conversation(config, signIn, id, watchedFetch);
    conversation.value = opened;
    menu.value = false;
    if (threads.isKnown(id)) void opened.load();
  });
  useSignalEffect(() => {
    sessionStorage.setItem(INSPECT, inspecting.value ? "on" : "");
    if (inspecting.value && !inspector.value) {
      void import("../inspector/panel").then((module) => (inspector.value = module.Inspector));
    }
  });
  useSignalEffect(() => {
    document.title = `${threads.title.value ?? text("untitled")} · ${config.stackName}`;
  });

  const open = conversation.value;
  const Inspector = inspector.value;
  return (
    <div class={`page${inspecting.value ? " inspecting" : ""}`} data-language={language.value}>
      {/* The fragment names the conversation, so the link itself may not change it. */}
      <a class="skip" href="#question" onClick={(event) => { event.preventDefault(); focusQuestion(); }}>{text("skip")}</a>
      <header class="bar">
        <button type="button" class="round quiet menu" aria-label={text("menu")} aria-expanded={menu.value} aria-controls="conversations" onClick={() => (menu.value = !menu.value)}>
          <Icon picture={menu.value ? "close" : "menu"} />
        </button>
        <span class="opened">{threads.title.value ?? text("untitled")}</span>
        {(import.meta.env.DEV || config.inspector) && (
          <button type="button" aria-pressed={inspecting.value} onClick={() => (inspecting.value = !inspecting.value)}>
            <Icon picture="panel" />{text("inspector")}
          </button>
        )}
      </header>
      <nav id="conversations" class={menu.value ? "open" : ""} aria-label={text("conversations")}>
        <p class="brand"><img src="/icon.svg" alt="" width="24" height="24" /><strong>{config.stackName}</strong></p>
        <button type="button" class="begin" onClick={() => threads.begin()}><Icon picture="plus" />{text("newConversation")}</button>
        <ul>
          {threads.list.value.map((one) => (
            <li key={one.id}>
              <a href={`#${one.id}`} aria-current={one.id === threads.open.value ? "page" : undefined}>{one.title || text("untitled")}</a>
              <IconButton picture="close" name={`${text("remove")}: ${one.title}`} onClick={() => threads.remove(one.id)} />
            </li>
          ))}
        </ul>
        <Settings signIn={signIn} name={user.name} />
      </nav>
      {open && (
        <main key={open.threadId}>
          <h1 class="unseen">{text("title")}</h1>
          <Messages conversation={open} onAsk={(words) => { threads.touch(open.threadId, words); void open.ask(words); focusQuestion(); }} />
          <Composer conversation={open} config={config} onAsk={(words) => threads.touch(open.threadId, words)} />
          <Approval conversation={open} />
          <p class="unseen" role="status" aria-live="polite">{open.announcement.value}</p>
        </main>
      )}
      {inspecting.value && Inspector && <Inspector config={config} close={() => (inspecting.value = false)} />}
    </div>
  );
}

/** The user's own: how the page looks, what it speaks, and the way out. */
function Settings({ signIn, name }: { signIn: SignIn; name: string }) {
  const other = language.value === "en" ? "zh" : "en";
  return (
    <div class="settings">
      <p class="user" title={name}>{name}</p>
      <label class="theme">
        <span class="unseen">{text("theme")}</span>
        <select value={theme.value} onChange={(event) => (theme.value = event.currentTarget.value as Theme)}>
          {THEMES.map((one) => (
            <option key={one} value={one}>{text(one === "dark" ? "themeDark" : one === "light" ? "themeLight" : "themeSystem")}</option>
          ))}
        </select>
      </label>
      <button type="button" lang={other} onClick={() => speak(other)}>{text("language")}</button>
      <IconButton picture="leave" class="" name={text("signOut")} onClick={() => void signIn.signOut()} />
    </div>
  );
}

function focusQuestion(): void {
  document.getElementById("question")?.focus();
}
