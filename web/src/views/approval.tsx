/** What the agent waits for, as a dialog: a decision, or words. */
import type { Interrupt, ResumeEntry } from "@ag-ui/client";
import { useEffect, useRef } from "preact/hooks";
import type { Conversation } from "../conversation";
import { text } from "../text";

export function Approval({ conversation }: { conversation: Conversation }) {
  const dialog = useRef<HTMLDialogElement>(null);
  const interrupts = conversation.interrupts.value;
  useEffect(() => {
    if (interrupts.length) dialog.current?.showModal();
  }, [interrupts]);
  if (!interrupts.length) return null;

  const answer = (given: FormData | null) => {
    dialog.current?.close();
    void conversation.resume(interrupts.map((one) => entryOf(one, given)));
  };
  return (
    <dialog ref={dialog} aria-labelledby="approval" onCancel={(event) => { event.preventDefault(); answer(null); }}>
      <form onSubmit={(event) => { event.preventDefault(); answer(new FormData(event.currentTarget as HTMLFormElement)); }}>
        <h2 id="approval">{text("approvalTitle")}</h2>
        {interrupts.map((one) => (
          <div key={one.id}>
            <p>{one.message ?? one.reason}</p>
            {details(one) && <pre tabIndex={0}>{details(one)}</pre>}
            {wantsWords(one) && <label>{text("answer")}<textarea name={one.id} rows={2} required /></label>}
          </div>
        ))}
        <div class="tools shown">
          <button type="button" onClick={() => answer(null)}>{text("decline")}</button>
          <button type="submit" class="primary">{text("approve")}</button>
        </div>
      </form>
    </dialog>
  );
}

/** A decision needs no words; an interrupt that describes another answer does. */
function wantsWords(interrupt: Interrupt): boolean {
  return interrupt.responseSchema !== undefined && interrupt.responseSchema.type !== "boolean";
}

function entryOf(interrupt: Interrupt, given: FormData | null): ResumeEntry {
  if (!given) return { interruptId: interrupt.id, status: "cancelled" };
  return { interruptId: interrupt.id, status: "resolved", payload: wantsWords(interrupt) ? payloadOf(interrupt, String(given.get(interrupt.id))) : true };
}

/** Words as they are where a string is asked for, else as the JSON that they may be. */
function payloadOf(interrupt: Interrupt, words: string): unknown {
  if (interrupt.responseSchema?.type === "string") return words;
  try {
    return JSON.parse(words);
  } catch {
    return words;
  }
}

function details(interrupt: Interrupt): string {
  return interrupt.metadata && Object.keys(interrupt.metadata).length ? JSON.stringify(interrupt.metadata, null, 2) : "";
}
