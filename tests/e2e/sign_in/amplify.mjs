// Signs in, renews and signs out with AWS Amplify, unchanged; its only settings are the stack's outputs.
// Prints what became of it as one JSON line.
import { Amplify } from "@aws-amplify/core";
import { fetchAuthSession, signIn, signOut } from "@aws-amplify/auth";
import { cognitoUserPoolsTokenProvider } from "@aws-amplify/auth/cognito";

const outputs = JSON.parse(process.env.OUTPUTS);
const Auth = {
  Cognito: {
    userPoolId: outputs.userPoolId,
    userPoolClientId: outputs.userPoolClientId,
    userPoolEndpoint: outputs.endpointUrl, // only here: on AWS it follows from the pool's id
  },
};
// What `configure` of the whole of aws-amplify does.
Amplify.configure({ Auth }, { Auth: { tokenProvider: cognitoUserPoolsTokenProvider } });
cognitoUserPoolsTokenProvider.setAuthConfig(Auth);
const kept = new Map();
cognitoUserPoolsTokenProvider.setKeyValueStorage({
  setItem: async (key, value) => void kept.set(key, value),
  getItem: async (key) => kept.get(key) ?? null,
  removeItem: async (key) => void kept.delete(key),
  clear: async () => kept.clear(),
});
const idToken = async (options) => (await fetchAuthSession(options)).tokens?.idToken?.toString();

await signIn({ username: outputs.demoUsername, password: outputs.demoPassword });
const signedIn = await idToken();
await idToken({ forceRefresh: true });
const renewed = await idToken({ forceRefresh: true }); // with the token that took the first one's place
const before = new Map(kept);
await signOut();
for (const [name, value] of before) kept.set(name, value);
const afterwards = await idToken({ forceRefresh: true }).then((given) => (given ? "renewed" : "refused"), String);
console.log(JSON.stringify({ signedIn, renewed, afterwards }));
