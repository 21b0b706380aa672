/** The chain, drawn as the request meets it; the doctor's result lights the layer at fault. */
import { useSignal } from "@preact/signals";
import type { Finding, LocalRun } from "./control";
import { healthOf, LAYERS } from "./layers";
import { say } from "./words";

export function Way({ local }: { local: LocalRun | null }) {
  const findings = useSignal<Finding[]>([]);
  const verdict = useSignal("");
  const health = healthOf(findings.value);
  const failed = findings.value.filter((one) => one.status === "fail");

  const examine = async () => {
    verdict.value = say("examining");
    try {
      const report = await (local as LocalRun).examine();
      findings.value = report.checks;
      const layers = LAYERS.filter((layer) => healthOf(report.checks)[layer] === "fault").map((layer) => say(layer));
      verdict.value = layers.length
        ? say("atFault", { layer: layers.join(", ") })
        : report.message || say(report.exitCode ? "unsure" : "well");
    } catch (error) {
      verdict.value = error instanceof TypeError ? say("unreachable") : String((error as Error).message);
    }
  };
  return (
    <section aria-labelledby="way">
      <h3 id="way">{say("way")}</h3>
      <ol class="way">
        {LAYERS.map((layer) => (
          <li key={layer} class={health[layer]} data-layer={layer} data-health={health[layer]}>
            <span aria-hidden="true">{health[layer] === "fault" ? "✗" : health[layer] === "well" ? "✓" : "·"}</span> {say(layer)}
          </li>
        ))}
      </ol>
      {local ? <button type="button" onClick={() => void examine()}>{say("doctor")}</button> : <p>{say("notLocal")}</p>}
      <p role="status" class="verdict">{verdict.value}</p>
      {failed.map((one) => <p key={one.name} class="finding"><strong>{one.name}</strong>: {one.seen} {one.change}</p>)}
    </section>
  );
}
