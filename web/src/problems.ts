/** What went wrong, as a line that a person can act on: by the agent's code, or by the API's status. */
import { text, type Line } from "./text";

export interface Problem {
  /** The agent's code, the status, or NETWORK. */
  code: string;
  line: string;
  /** Asking again may help. */
  retry: boolean;
}

/** Codes of RUN_ERROR (docs/agent.md), and whether the same question may fare better a moment later. */
const CODES: Record<string, [Line, boolean]> = {
  INVALID_INPUT: ["invalidInput", false],
  SESSION_FORBIDDEN: ["sessionForbidden", false],
  SESSION_BUSY: ["sessionBusy", true],
  ORIGIN_FORBIDDEN: ["originForbidden", false],
  MODEL_THROTTLED: ["modelThrottled", true],
  MODEL_UNAVAILABLE: ["modelUnavailable", true],
  MODEL_OUTPUT_INVALID: ["modelOutput", true],
  CONTEXT_TOO_LONG: ["contextTooLong", false],
  TOOL_FAILED: ["toolFailed", true],
  RUN_TIMEOUT: ["runTimeout", true],
  RUN_UNKNOWN: ["runUnknown", true],
  EVENTS_GONE: ["eventsGone", true],
  MEDIA_URL_FORBIDDEN: ["mediaForbidden", false],
  MEDIA_UNSUPPORTED: ["mediaUnsupported", false],
  INTERNAL: ["internal", true],
  CONNECTION_LOST: ["connectionLost", true],
};

/** Statuses of the API, which speaks before the agent does. */
const STATUSES: Record<number, [Line, boolean]> = {
  400: ["refused400", false],
  401: ["signInExpired", true],
  403: ["refused403", false],
  404: ["notFound404", false],
  409: ["sessionBusy", true],
  413: ["tooLarge", false],
  415: ["refused400", false],
  424: ["agentFailed", true],
  429: ["throttled", true],
  431: ["tooLarge", false],
  500: ["gatewayFailed", true],
  502: ["gatewayFailed", true],
  503: ["gatewayFailed", true],
  504: ["gatewayTimeout", true],
};

export function ofRun(code: string | undefined, message: string): Problem {
  const [line, retry] = CODES[code ?? ""] ?? (["other", true] as const);
  // The agent's own sentence carries the reference that its operator can look up.
  const reference = /\(reference [^)]*\)/.exec(message)?.[0] ?? "";
  const said = line === "other" ? message : `${text(line)} ${reference}`.trim();
  return { code: code ?? "RUN_ERROR", line: said, retry };
}

export function ofRequest(error: unknown): Problem {
  const status = (error as { status?: number } | null)?.status;
  if (status === undefined) return { code: "NETWORK", line: text("network"), retry: true };
  const known = STATUSES[status] ?? (["otherStatus", status >= 500] as const);
  return { code: String(status), line: text(known[0], { status }), retry: known[1] };
}
