import type { InspectorProps } from "../views/page";
export function Inspector(_: InspectorProps) {
  return null;
}
