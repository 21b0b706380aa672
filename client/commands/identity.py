"""``login``, ``token``, ``whoami`` and ``logout``."""

from __future__ import annotations

import json
import sys
import time
import webbrowser
from typing import Annotated, Any

import typer

from client.account import claims_of
from client.browser import browser_sign_in, loopback_callback
from client.commands.target import AsJson, File, Local, Stack, account_of, command, find_outputs
from client.errors import SignInError
from client.outputs import Outputs
from client.signin import Challenge, Tokens, sign_in, sign_out
from client.store import TokenStore
from client.terminal import note, say

Username = Annotated[str | None, typer.Option(help="The user to sign in: an e-mail address.")]


@command
def login(
    stack: Stack = None,
    local: Local = False,
    file: File = None,
    username: Username = None,
    browser: Annotated[bool, typer.Option("--browser", help="Sign in on the user pool's own page.")] = False,
    callback: Annotated[str | None, typer.Option(help="The registered callback address on this machine.")] = None,
    password_stdin: Annotated[bool, typer.Option("--password-stdin", help="Read the password from a pipe.")] = False,
    as_json: AsJson = False,
) -> None:
    """Sign in, and store the tokens in a file that only you can read."""
    outputs = find_outputs(stack=stack, local=local, file=file)
    store = TokenStore(outputs)
    if browser:
        tokens = browser_sign_in(outputs, callback or loopback_callback(outputs), _open_page)
    else:
        name, password = _credentials(outputs, username, from_pipe=password_stdin)
        tokens = sign_in(outputs, name, password, _ask_user)
    store.save(tokens)
    facts = _facts(tokens, outputs)
    if as_json:
        print(json.dumps({**facts, "keptIn": str(store.path)}))
        return
    say(f"Signed in as {facts['user'] or facts['sub']}; the ID token is valid for {_minutes(facts)} minutes,")
    say(f"and is refreshed when needed. It is stored in {store.path}.")


@command
def token(
    stack: Stack = None,
    local: Local = False,
    file: File = None,
    access: Annotated[bool, typer.Option("--access", help="Print the access token, for Cognito's own API.")] = False,
    as_json: AsJson = False,
) -> None:
    """Print the ID token, for ``curl``; refreshed when it is about to expire."""
    outputs = find_outputs(stack=stack, local=local, file=file)
    if sys.stdout.isatty():
        note("This is a secret: anyone who has it can act as you until it expires.")
    tokens = account_of(outputs).tokens()
    given = tokens.access if access else tokens.id
    kind = "access" if access else "id"
    print(json.dumps({"token": given, "use": kind, "expiresInSeconds": _seconds_left(given)}) if as_json else given)


@command
def whoami(stack: Stack = None, local: Local = False, file: File = None, as_json: AsJson = False) -> None:
    """Print who is signed in, for how long, and in which groups."""
    outputs = find_outputs(stack=stack, local=local, file=file)
    facts = _facts(account_of(outputs).tokens(), outputs)
    if as_json:
        print(json.dumps(facts))
        return
    groups = f", in {', '.join(facts['groups'])}" if facts["groups"] else ""
    say(
        f"{facts['user']} ({facts['sub']}{groups}) at {outputs.source}; the token expires in {_minutes(facts)} minutes."
    )


def _facts(tokens: Tokens, outputs: Outputs) -> dict[str, Any]:
    """Return the user's name, id and groups, and the expiry of the token."""
    claims = claims_of(tokens.id)
    return {
        "user": claims.get("email"),
        "sub": claims.get("sub"),
        "groups": claims.get("cognito:groups", []),
        "expiresInSeconds": _seconds_left(tokens.id),
        "stack": outputs.source,
    }


def _seconds_left(token: str) -> int:
    return round(float(claims_of(token).get("exp", 0)) - time.time())


def _minutes(facts: dict[str, Any]) -> int:
    return int(facts["expiresInSeconds"]) // 60


@command
def logout(stack: Stack = None, local: Local = False, file: File = None, as_json: AsJson = False) -> None:
    """Revoke the refresh token and delete all stored tokens."""
    outputs = find_outputs(stack=stack, local=local, file=file)
    store = TokenStore(outputs)
    tokens = store.load(any_address=True)
    try:
        if tokens is not None:
            sign_out(outputs, tokens)
    finally:
        store.clear()
    if as_json:
        print(json.dumps({"signedOut": tokens is not None}))
    elif tokens is None:
        say("Nobody was signed in.")
    else:
        say("Signed out. The ID token itself stays valid until it expires.")


def _credentials(outputs: Outputs, username: str | None, *, from_pipe: bool) -> tuple[str, str]:
    """Return the user name and the password, from a prompt or a pipe, or those of the local run's demo user."""
    if username is None and outputs.demo_username and outputs.demo_password:
        return outputs.demo_username, outputs.demo_password.get_secret_value()
    if from_pipe:
        if username is None:
            raise SignInError("--password-stdin needs --username.")
        return username, sys.stdin.readline().rstrip("\r\n")
    if not sys.stdin.isatty():
        raise SignInError("There is no terminal for a password prompt: use --username and --password-stdin.")
    return username or typer.prompt("E-mail", err=True), typer.prompt("Password", hide_input=True, err=True)


def _ask_user(challenge: Challenge) -> str:
    if not sys.stdin.isatty():
        raise SignInError(f"Cognito requires another step ({challenge.name}): sign in on a terminal.")
    if challenge.show:
        note(challenge.show)
    answer: str = typer.prompt(
        challenge.question,
        hide_input=challenge.secret,
        confirmation_prompt=challenge.name == "NEW_PASSWORD_REQUIRED",
        err=True,
    )
    return answer


def _open_page(url: str) -> None:
    note(f"Sign in on this page, which opens in the browser:\n  {url}")
    webbrowser.open(url)
