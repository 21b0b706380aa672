/** The inspector: what each request did, when, and which layer is at fault. Its bundle loads when it is opened. */
import { useSignal } from "@preact/signals";
import { useMemo } from "preact/hooks";
import type { InspectorProps } from "../views/page";
import { exchanges, type Exchange } from "../watch";
import { LocalRun } from "./control";
import { Switches } from "./switches";
import { Timeline } from "./timeline";
import { Way } from "./way";
import { Where } from "./where";
import { inSeconds, say } from "./words";
import "./inspector.css";

const MOST_ROWS = 300;

export function Inspector({ config, close }: InspectorProps) {
  const local = useMemo(() => (config.controlUrl ? new LocalRun(config.controlUrl) : null), []);
  const chosen = useSignal<number | null>(null);
  const all = exchanges.value;
  const shown = all.find((one) => one.id === chosen.value) ?? all[0];
  return (
    <aside class="inspector" aria-label={say("inspector")}>
      <div class="title"><h2>{say("inspector")}</h2><button type="button" onClick={close}>{say("close")}</button></div>
      {local && <Switches local={local} />}
      <Way local={local} />
      {shown ? (
        <>
          <label class="which">
            {say("request")}
            <select value={shown.id} onChange={(event) => (chosen.value = Number(event.currentTarget.value))}>
              {all.map((one) => <option key={one.id} value={one.id}>{nameOf(one)}</option>)}
            </select>
          </label>
          <Timeline exchange={shown} />
          <Where exchange={shown} local={local} />
          <Events exchange={shown} />
        </>
      ) : <p>{say("none")}</p>}
    </aside>
  );
}

function nameOf(one: Exchange): string {
  return `${one.id}. ${one.kind} ${one.status ?? "…"} ${new Date(one.sent).toLocaleTimeString()}`;
}

function Events({ exchange }: { exchange: Exchange }) {
  return (
    <details class="events">
      <summary>{say("events")} ({exchange.arrivals.length})</summary>
      <div class="table" tabIndex={0} role="region" aria-label={say("events")}>
        <table>
          <thead><tr><th scope="col">{say("time")}</th><th scope="col">{say("type")}</th><th scope="col">{say("size")}</th><th scope="col">{say("words")}</th></tr></thead>
          <tbody>
            {exchange.arrivals.slice(-MOST_ROWS).map((one, index) => (
              <tr key={index}><td>{inSeconds(one.at)}</td><td>{one.type}</td><td>{one.bytes}</td><td>{one.delta}</td></tr>
            ))}
          </tbody>
        </table>
      </div>
    </details>
  );
}
