/**
 * Sign-in through the user pool's own pages: the code grant with PKCE, by oidc-client-ts.
 *
 * PKCE's verifier and the nonce wait in sessionStorage while the browser is away; tokens stay in memory, so a reload
 * goes to the login page, whose own cookie sends it straight back to the same conversation.
 */
import { InMemoryWebStorage, UserManager, WebStorageStateStore, type User } from "oidc-client-ts";
import type { PageConfig } from "./config";

/** A token with less time left than this is renewed before it is used, in seconds. */
const RENEW_BEFORE = 60;

interface Away {
  /** The address's fragment, which names the conversation. */
  hash: string;
}

/** The login page refused, or its answer is none to this page's question. */
export class SignInRefused extends Error {}

export class SignIn {
  readonly #manager: UserManager;
  readonly #config: PageConfig;
  #renewing: Promise<User | null> | null = null;

  constructor(config: PageConfig) {
    this.#config = config;
    const { loginUrl } = config;
    this.#manager = new UserManager({
      authority: config.issuer,
      // Given whole: the discovery document of a Cognito pool names no end of session and is one more request.
      metadata: {
        issuer: config.issuer,
        authorization_endpoint: `${loginUrl}/oauth2/authorize`,
        token_endpoint: `${loginUrl}/oauth2/token`,
        revocation_endpoint: `${loginUrl}/oauth2/revoke`,
      },
      client_id: config.userPoolClientId,
      redirect_uri: config.callbackUrl,
      scope: "openid email profile",
      loadUserInfo: false,
      automaticSilentRenew: false, // renewed when it is needed, not by a timer in a page that nobody looks at
      userStore: new WebStorageStateStore({ store: new InMemoryWebStorage() }),
      stateStore: new WebStorageStateStore({ store: window.sessionStorage }),
    });
  }

  /** The user, after a return from the login page; null when there was none, and the page should go there. */
  async user(): Promise<User | null> {
    const query = new URLSearchParams(window.location.search);
    if (!query.has("state") || !(query.has("code") || query.has("error"))) return null;
    try {
      const user = await this.#manager.signinRedirectCallback();
      this.#clean((user.state as Away).hash);
      return user;
    } catch (error) {
      this.#clean(window.location.hash);
      throw new SignInRefused(error instanceof Error ? error.message : String(error));
    }
  }

  /** The address without the code, which is good once and nobody's business. */
  #clean(hash: string): void {
    window.history.replaceState(null, "", `${window.location.pathname}${hash}`);
  }

  /** Go to the login page; comes back to the same conversation. Does not return. */
  async leave(): Promise<never> {
    const away: Away = { hash: window.location.hash };
    // Only a nonce that was sent is compared with the ID token's.
    await this.#manager.signinRedirect({ state: away, nonce: crypto.randomUUID() });
    return new Promise(() => undefined);
  }

  /** An ID token that is good for a while, renewed where the present one is not; null when the sign-in has ended. */
  async idToken(): Promise<string | null> {
    const user = await this.#manager.getUser();
    if (user?.id_token && (user.expires_in ?? 0) > RENEW_BEFORE) return user.id_token;
    return (await this.renew())?.id_token ?? null;
  }

  /** New tokens for the refresh token; null when it is none any more. */
  async renew(): Promise<User | null> {
    // Once for all that ask: with rotation a refresh token is good once.
    this.#renewing ??= this.#manager
      .signinSilent()
      .catch(() => null)
      .finally(() => (this.#renewing = null));
    return this.#renewing;
  }

  /** End the sign-in here and on the login page, whose parameters are Cognito's own and not OpenID Connect's. */
  async signOut(): Promise<void> {
    await this.#manager.revokeTokens(["refresh_token"]).catch(() => undefined);
    await this.#manager.removeUser();
    const { loginUrl, userPoolClientId, callbackUrl } = this.#config;
    const query = new URLSearchParams({ client_id: userPoolClientId, logout_uri: callbackUrl });
    window.location.assign(`${loginUrl}/logout?${query}`);
  }
}
