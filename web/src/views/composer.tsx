/** Where the user writes: words, and images by drop, paste or button. */
import { useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import type { PageConfig } from "../config";
import { takeDraft, type Conversation } from "../conversation";
import { contentOf, readImage, UnusableImage, type Picture } from "../images";
import { text } from "../text";
import { Icon, IconButton } from "./icons";

interface Props {
  conversation: Conversation;
  config: PageConfig;
  onAsk: (words: string) => void;
}

export function Composer({ conversation, config, onAsk }: Props) {
  const words = useSignal("");
  const pictures = useSignal<Picture[]>([]);
  const refusal = useSignal("");
  const dragging = useSignal(false);
  const field = useRef<HTMLTextAreaElement>(null);
  const limit = config.maxPromptChars ?? Infinity;
  const count = [...words.value].length; // as the agent counts: characters, not UTF-16 units
  const tooLong = count > limit;
  const empty = !words.value.trim() && !pictures.value.length;

  useEffect(() => {
    words.value = takeDraft(conversation.threadId);
    field.current?.focus();
  }, []);

  const add = async (files: Iterable<File>) => {
    refusal.value = "";
    try {
      for (const file of files) pictures.value = [...pictures.value, await readImage(file)];
    } catch (error) {
      if (!(error instanceof UnusableImage)) throw error;
      refusal.value = text(error.line);
    }
  };
  const ask = () => {
    if (empty || tooLong || conversation.busy) return;
    const content = contentOf(words.value.trim(), pictures.value);
    onAsk(words.value.trim());
    words.value = "";
    pictures.value = [];
    void conversation.ask(content);
    field.current?.focus();
  };
  const onKeyDown = (event: KeyboardEvent) => {
    // While an input method composes, Enter takes the suggestion and sends nothing.
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    ask();
  };
  const onPaste = (event: ClipboardEvent) => {
    const files = [...(event.clipboardData?.files ?? [])];
    if (!files.length) return;
    event.preventDefault();
    void add(files);
  };
  const onDrop = (event: DragEvent) => {
    event.preventDefault();
    dragging.value = false;
    void add(event.dataTransfer?.files ?? []);
  };

  return (
    <form
      class={`composer${dragging.value ? " dragging" : ""}`}
      onSubmit={(event) => { event.preventDefault(); ask(); }}
      onDragOver={(event) => { event.preventDefault(); dragging.value = true; }}
      onDragLeave={() => (dragging.value = false)}
      onDrop={onDrop}
    >
      {pictures.value.length > 0 && (
        <ul class="pictures">
          {pictures.value.map((one, index) => (
            <li key={index}>
              <img src={`data:${one.mimeType};base64,${one.base64}`} alt={one.name} />
              <IconButton picture="close" class="" name={`${text("removeImage")}: ${one.name}`} onClick={() => (pictures.value = pictures.value.filter((other) => other !== one))} />
            </li>
          ))}
        </ul>
      )}
      {(refusal.value || tooLong) && <p class="refusal" role="alert">{refusal.value || text("tooLong", { count, limit })}</p>}
      <div class="row">
        <label class="attach" title={text("attach")}>
          <span class="unseen">{text("attach")}</span>
          <Icon picture="image" />
          <input type="file" accept="image/png,image/jpeg,image/gif,image/webp" multiple onChange={(event) => { void add([...(event.currentTarget.files ?? [])]); event.currentTarget.value = ""; }} />
        </label>
        <textarea
          id="question"
          ref={field}
          rows={1}
          aria-label={text("ask")}
          aria-invalid={tooLong}
          placeholder={text("placeholder")}
          value={words.value}
          onInput={(event) => (words.value = event.currentTarget.value)}
          onKeyDown={onKeyDown}
          onPaste={onPaste}
        />
        {conversation.busy ? (
          <button key="stop" type="button" class="round stop" aria-label={text("stop")} title={text("stop")} onClick={() => void conversation.stop()}><Icon picture="stop" /></button>
        ) : (
          <button key="send" type="submit" class="round primary" aria-label={text("send")} title={text("send")} disabled={empty || tooLong}><Icon picture="send" /></button>
        )}
      </div>
      <p class="hint">{text("keys")}</p>
    </form>
  );
}
