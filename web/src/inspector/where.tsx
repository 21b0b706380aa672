/** Where the time to the first word went, by the gateway's access log and the agent's own stamps. */
import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import type { Exchange } from "../watch";
import type { LocalRun } from "./control";
import { say, type Word } from "./words";

const ATTEMPTS = 10;

interface Share {
  name: Word;
  /** Milliseconds. */
  took: number;
}

export function Where({ exchange, local }: { exchange: Exchange; local: LocalRun | null }) {
  const line = useSignal<{ id: string; fields: Record<string, string> } | null>(null);
  useEffect(() => {
    const id = exchange.requestId;
    if (!local || !id || exchange.ended === null) return;
    let shown = true;
    // The gateway writes the line a moment after the last byte has come.
    const look = async (): Promise<void> => {
      for (let attempt = 0; attempt < ATTEMPTS && shown; attempt++) {
        const fields = await local.request(id).catch(() => null);
        if (fields) return void (line.value = { id, fields });
        await new Promise((resolve) => setTimeout(resolve, 300));
      }
    };
    void look();
    return () => void (shown = false);
  }, [exchange.requestId, exchange.ended === null]);
  const shares = sharesOf(exchange, line.value?.id === exchange.requestId ? line.value.fields : {});
  const whole = Math.max(1, ...shares.map((one) => one.took));
  if (!shares.length) return null;
  return (
    <section aria-labelledby="where">
      <h3 id="where">{say("where")}</h3>
      <table class="where">
        <tbody>
          {shares.map((one) => (
            <tr key={one.name}>
              <th scope="row">{say(one.name)}</th>
              <td class="share"><meter min={0} max={whole} value={one.took} aria-label={say(one.name)} /></td>
              <td>{say("milliseconds", { value: Math.round(one.took) })}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}

/** The log's milliseconds are counted from the request, each phase after the one before; a missing one is `-`. */
function sharesOf(exchange: Exchange, log: Record<string, string>): Share[] {
  const shares: Share[] = [];
  const at = (name: string) => (/^\d+$/.test(log[name] ?? "") ? Number(log[name]) : null);
  let before = 0;
  const phases: [Word, string][] = [["firewall", "wafLatency"], ["authorizer", "authorizerLatency"], ["runtime", "timeToAllHeaders"]];
  for (const [name, field] of phases) {
    const reached = at(field);
    if (reached === null) continue;
    shares.push({ name, took: Math.max(0, reached - before) });
    before = Math.max(before, reached);
  }
  const started = exchange.arrivals.find((one) => !Number.isNaN(one.made));
  const word = exchange.arrivals.find((one) => one.type === "TEXT_MESSAGE_CONTENT");
  if (started && word) {
    shares.push({ name: "model", took: Math.max(0, word.made - started.made) });
    shares.push({ name: "network", took: Math.max(0, word.at - word.made) });
  }
  return shares;
}
