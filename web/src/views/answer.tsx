/** The agent's words: Markdown, block by block, with a button at each listing. */
import { useSignal } from "@preact/signals";
import { useMemo } from "preact/hooks";
import { blocksOf, sanitised, type Block } from "../markdown";
import { text } from "../text";
import { IconButton } from "./icons";

interface Props {
  words: string;
  /** Its words are still arriving. */
  live: boolean;
  /** It was ended before the model had finished, and the conversation went on. */
  unfinished: boolean;
}

export function Answer({ words, live, unfinished }: Props) {
  const blocks = useMemo(() => blocksOf(words), [words]);
  return (
    <article class={`answer${live ? " live" : ""}`} aria-label={text("agent")}>
      <div class="markdown">
        {blocks.map((block, index) => <Shown key={index} block={block} />)}
      </div>
      {unfinished && <p class="note">{text("cutShort")}</p>}
      <div class="tools">{!live && <CopyButton words={words} name={text("copy")} />}</div>
    </article>
  );
}

function Shown({ block }: { block: Block }) {
  return "code" in block ? <Listing {...block} /> : <Prose unsafe={block.unsafe} />;
}

function Prose({ unsafe }: { unsafe: string }) {
  const html = useMemo(() => sanitised(unsafe), [unsafe]);
  return <div class="block" dangerouslySetInnerHTML={{ __html: html as unknown as string }} />;
}

function Listing({ code, language }: { code: string; language: string }) {
  return (
    <div class="block listing">
      <div class="caption"><span>{language}</span><CopyButton words={code} name={text("copyCode")} /></div>
      <pre tabIndex={0}><code>{code}</code></pre>
    </div>
  );
}

const COPIED_FOR = 1_500;

function CopyButton({ words, name }: { words: string; name: string }) {
  const copied = useSignal(false);
  const copy = async () => {
    await navigator.clipboard.writeText(words);
    copied.value = true;
    setTimeout(() => (copied.value = false), COPIED_FOR);
  };
  return <IconButton picture={copied.value ? "done" : "copy"} name={copied.value ? text("copied") : name} onClick={() => void copy()} />;
}
