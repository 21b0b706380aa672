/** The chain, drawn as the request meets it; the doctor's result lights the layer at fault. */
import { useSignal } from "@preact/signals";
import type { Finding, LocalRun } from "./control";
import { healthOf, layerOf, LAYERS } from "./layers";
import { say } from "./words";

export function Way({ local }: { local: LocalRun | null }) {
  const findings = useSignal<Finding[]>([]);
  const looking = useSignal<string | null>(null);
  const verdict = useSignal("");
  const health = healthOf(findings.value);
  const failed = findings.value.filter((one) => one.status === "fail");

  const examine = async () => {
    findings.value = [];
    verdict.value = say("examining");
    looking.value = "";
    try {
      await (local as LocalRun).examine(
        (check) => (looking.value = check),
        (finding) => (findings.value = [...findings.value, finding]),
      );
      verdict.value = verdictOf(findings.value);
    } catch (error) {
      verdict.value = error instanceof TypeError ? say("unreachable") : String((error as Error).message);
    }
    looking.value = null;
  };
  return (
    <section aria-labelledby="way">
      <h3 id="way">{say("way")}</h3>
      <ol class="way">
        {LAYERS.map((layer) => (
          <li key={layer} class={`${health[layer]}${looking.value && layerOf(looking.value) === layer ? " looked-at" : ""}`} data-layer={layer} data-health={health[layer]}>
            <span aria-hidden="true">{health[layer] === "fault" ? "✗" : health[layer] === "well" ? "✓" : "·"}</span> {say(layer)}
          </li>
        ))}
      </ol>
      {local ? <button type="button" disabled={looking.value !== null} onClick={() => void examine()}>{say("doctor")}</button> : <p>{say("notLocal")}</p>}
      <p role="status" class="verdict">{verdict.value}</p>
      {failed.map((one) => <p key={one.name} class="finding"><strong>{one.name}</strong>: {one.seen} {one.change}</p>)}
      {findings.value.length > 0 && (
        <details class="checks">
          <summary>{say("checks", { count: findings.value.length })}</summary>
          <ul>
            {findings.value.map((one) => (
              <li key={one.name} data-status={one.status}><strong>{one.name}</strong> {say(one.status)}{one.seconds >= 0.1 && ` · ${say("seconds", { value: one.seconds.toFixed(1) })}`}<br />{one.seen}</li>
            ))}
          </ul>
        </details>
      )}
    </section>
  );
}

function verdictOf(findings: Finding[]): string {
  const health = healthOf(findings);
  const layers = LAYERS.filter((layer) => health[layer] === "fault").map((layer) => say(layer));
  if (layers.length) return say("atFault", { layer: layers.join(", ") });
  return say(findings.some((one) => one.status === "inconclusive") ? "unsure" : "well");
}
