/** What the page must know of the stack it belongs to: `config.json` beside it, made from the stack's outputs. */

export interface PageConfig {
  /** The stack's name, shown beside the title. */
  stackName: string;
  /** POST goes here; on the page's own origin, so that nothing depends on cross-origin headers. */
  invokeUrl: string;
  /** The `iss` claim of the pool's tokens. */
  issuer: string;
  /** The origin of the login pages. */
  loginUrl: string;
  userPoolClientId: string;
  /** Where the login page sends the browser back to: one of the app client's callback addresses. */
  callbackUrl: string;
  /** `user`, `thread` or `header`; only with `header` does the page name its session. */
  sessionFrom: string;
  /** The prompt's limit in characters, as the agent counts it. */
  maxPromptChars?: number;
  /** Offer the inspector; off on AWS unless asked for. */
  inspector?: boolean;
  /** Where the local run's switches answer; absent on AWS. */
  controlUrl?: string;
}

/** Raises an error whose text says what to do, for there is nothing else to show yet. */
export async function readConfig(): Promise<PageConfig> {
  const response = await fetch("config.json", { cache: "no-store" });
  if (!response.ok) throw new Error(`config.json answers ${response.status}: this page is served without its stack.`);
  return (await response.json()) as PageConfig;
}
