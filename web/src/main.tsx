/** From the address to the page: read what stack this is, sign in, show. */
import "./no-eval";
import { render } from "preact";
import { readConfig } from "./config";
import { SignIn, SignInRefused } from "./signin";
import { language, speak, text } from "./text";
import "./theme";
import "./style.css";
import { Page } from "./views/page";

async function start(root: HTMLElement): Promise<void> {
  speak(language.value);
  const config = await readConfig();
  const signIn = new SignIn(config);
  let user;
  try {
    user = await signIn.user();
  } catch (error) {
    if (!(error instanceof SignInRefused)) throw error;
    render(<Refused reason={error.message} signIn={signIn} />, root);
    return;
  }
  if (!user) {
    render(<p class="alone">{text("starting")}</p>, root);
    await signIn.leave();
    return;
  }
  const name = String(user.profile.email ?? user.profile.sub);
  render(<Page config={config} signIn={signIn} user={{ id: user.profile.sub, name }} />, root);
}

/** Not sent back by itself: a login page that always refuses would make a loop. */
function Refused({ reason, signIn }: { reason: string; signIn: SignIn }) {
  return (
    <main class="alone">
      <p role="alert">{text("signInRefused", { reason })}</p>
      <button type="button" class="primary" onClick={() => void signIn.leave()}>
        {text("signInAgain")}
      </button>
    </main>
  );
}

const root = document.getElementById("page") as HTMLElement;
start(root).catch((error: unknown) => {
  render(<p class="alone" role="alert">{error instanceof Error ? error.message : String(error)}</p>, root);
});
