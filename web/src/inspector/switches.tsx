/** Break the local chain and mend it: one switch for the third mechanism, one list for everything that people break. */
import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import type { LocalRun, LocalState } from "./control";
import { say } from "./words";

const BUFFERED = "buffered";

export function Switches({ local }: { local: LocalRun }) {
  const state = useSignal<LocalState | null>(null);
  const busy = useSignal(false);
  const problem = useSignal("");

  const change = async (work: () => Promise<LocalState>) => {
    busy.value = true;
    problem.value = "";
    try {
      state.value = await work();
    } catch (error) {
      problem.value = error instanceof TypeError ? say("unreachable") : String((error as Error).message);
    }
    busy.value = false;
  };
  useEffect(() => void change(local.state), []);
  const now = state.value;
  if (!now) return <p role="status">{problem.value}</p>;
  return (
    <section>
      <fieldset disabled={busy.value}>
        <legend>{say("mode")}</legend>
        {(["stream", "buffered"] as const).map((mode) => (
          <label key={mode}>
            <input type="radio" name="mode" checked={(now.fault === BUFFERED) === (mode === "buffered")} onChange={() => void change(() => local.break(mode === "buffered" ? BUFFERED : ""))} />
            {say(mode)}
          </label>
        ))}
      </fieldset>
      <label class="fault">
        {say("fault")}
        <select disabled={busy.value} value={now.fault} onChange={(event) => { const name = event.currentTarget.value; void change(() => local.break(name)); }}>
          <option value="">{say("sound")}</option>
          {now.faults.map((one) => <option key={one.name} value={one.name}>{`${one.name}: ${one.description}`}</option>)}
        </select>
      </label>
      <p role="status">{busy.value ? say("restarting") : problem.value}</p>
    </section>
  );
}
