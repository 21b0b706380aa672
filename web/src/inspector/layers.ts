/** The layers that a request meets, in their order, and which of them each of the doctor's checks looks at. */
import type { Finding } from "./control";
import type { Word } from "./words";

export const LAYERS = ["browser", "signin", "firewall", "authorizer", "gateway", "runtime", "agent"] as const satisfies Word[];
export type Layer = (typeof LAYERS)[number];

const LOOKS_AT: Record<string, Layer> = {
  outputs: "browser",
  "sign-in": "signin",
  authorizer: "authorizer",
  deployment: "gateway",
  streaming: "agent",
  heartbeat: "agent",
  attach: "agent",
  "hang-up": "agent",
  ping: "agent",
  firewall: "firewall",
  throttle: "gateway",
  "front-door": "runtime",
  "runtime-policy": "runtime",
  cors: "gateway",
  logs: "gateway",
};

export const layerOf = (check: string): Layer => LOOKS_AT[check] ?? "gateway";

export type Health = "well" | "fault" | "unknown";

/** How each layer stands after an examination; a failed check outweighs those that passed. */
export function healthOf(findings: Finding[]): Record<Layer, Health> {
  const health = Object.fromEntries(LAYERS.map((layer) => [layer, "unknown"])) as Record<Layer, Health>;
  for (const one of findings) {
    const layer = layerOf(one.name);
    if (one.status === "fail") health[layer] = "fault";
    if (one.status === "pass" && health[layer] === "unknown") health[layer] = "well";
  }
  return health;
}
