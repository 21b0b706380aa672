// Signs in, renews and signs out with oidc-client-ts, unchanged; its only settings are those of docs/front-end.md.
// Prints what became of it as one JSON line.
import { InMemoryWebStorage, UserManager, WebStorageStateStore } from "oidc-client-ts";

const outputs = JSON.parse(process.env.OUTPUTS);
const stored = () => new WebStorageStateStore({ store: new InMemoryWebStorage() });

/** The browser: it remembers where it was sent. */
let address = null;
const browser = {
  prepare: async () => ({ navigate: async ({ url }) => ({ url: (address = url) }), close() {} }),
  callback: async () => undefined,
};
const users = new UserManager(
  {
    authority: outputs.issuer,
    metadataUrl: outputs.discoveryUrl,
    client_id: outputs.userPoolClientId,
    redirect_uri: outputs.callbackUrls[0],
    scope: "openid email profile",
    stateStore: stored(),
    userStore: stored(),
    automaticSilentRenew: false,
  },
  browser,
  browser,
  browser,
);

/** The user, who fills the login page's form in. */
async function login() {
  const page = await (await fetch(address)).text();
  const fields = {};
  for (const [, name, value] of page.matchAll(/<input type="hidden" name="([^"]*)" value="([^"]*)"/g)) fields[name] = value;
  const form = new URLSearchParams({ ...fields, username: outputs.demoUsername, password: outputs.demoPassword });
  const target = new URL(/<form[^>]* action="([^"]*)"/.exec(page)[1].replaceAll("&amp;", "&"), address);
  return (await fetch(target, { method: "POST", body: form, redirect: "manual" })).headers.get("location");
}

await users.signinRedirect();
const signedIn = await users.signinRedirectCallback(await login());
const renewed = await users.signinSilent();
await users.revokeTokens(["refresh_token"]);
await users.storeUser(renewed);
const afterwards = await users.signinSilent().then(() => "renewed", (error) => (error.error === "invalid_grant" ? "refused" : String(error)));
console.log(JSON.stringify({ signedIn: signedIn.id_token, renewed: renewed.id_token, afterwards }));
process.exit(); // its clock, which waits for the token's end, would keep it
