"""``login``, ``token``, ``whoami``, ``logout`` and ``users``."""

from __future__ import annotations

import json
import sys
import time
import webbrowser
from typing import Annotated

import typer

from client.account import claims_of
from client.browser import browser_sign_in, loopback_callback
from client.commands.target import AsJson, File, Local, Stack, account_of, command, find_outputs
from client.errors import SignInError
from client.outputs import Outputs
from client.signin import Challenge, sign_in, sign_out
from client.store import TokenStore
from client.users import Users

users = typer.Typer(no_args_is_help=True, help="The stack's users, for an administrator.")

Username = Annotated[str | None, typer.Option(help="Who signs in; an e-mail address.")]
Profile = Annotated[str | None, typer.Option(help="The AWS profile to sign with.")]


@command
def login(
    stack: Stack = None,
    local: Local = False,
    file: File = None,
    username: Username = None,
    browser: Annotated[bool, typer.Option("--browser", help="Sign in on the user pool's own page.")] = False,
    callback: Annotated[str | None, typer.Option(help="The registered address on this machine.")] = None,
    password_stdin: Annotated[bool, typer.Option("--password-stdin", help="Read the password from a pipe.")] = False,
) -> None:
    """Sign in, and stay signed in: the tokens are kept in a file that only you can read."""
    outputs = find_outputs(stack=stack, local=local, file=file)
    store = TokenStore(outputs)
    if browser:
        tokens = browser_sign_in(outputs, callback or loopback_callback(outputs), _open_page)
    else:
        name, password = _credentials(outputs, username, from_pipe=password_stdin)
        tokens = sign_in(outputs, name, password, _ask_user)
    store.save(tokens)
    claims = claims_of(tokens.id)
    minutes = (float(claims.get("exp", 0)) - time.time()) / 60
    print(f"Signed in as {claims.get('email', claims.get('sub'))}; the ID token is in force for {minutes:.0f} minutes,")
    print(f"and is refreshed when needed. It is kept in {store.path}.")


@command
def token(
    stack: Stack = None,
    local: Local = False,
    file: File = None,
    access: Annotated[bool, typer.Option("--access", help="The access token, for Cognito's own API.")] = False,
) -> None:
    """Print the ID token, for ``curl``; refreshed when it is about to expire."""
    outputs = find_outputs(stack=stack, local=local, file=file)
    if sys.stdout.isatty():
        print("This is a secret: whoever has it can ask in your name until it expires.", file=sys.stderr)
    tokens = account_of(outputs).tokens()
    print(tokens.access if access else tokens.id)


@command
def whoami(stack: Stack = None, local: Local = False, file: File = None, as_json: AsJson = False) -> None:
    """Say who is signed in, until when, and with which groups."""
    outputs = find_outputs(stack=stack, local=local, file=file)
    claims = claims_of(account_of(outputs).tokens().id)
    facts = {
        "user": claims.get("email"),
        "sub": claims.get("sub"),
        "groups": claims.get("cognito:groups", []),
        "expiresInSeconds": round(float(claims.get("exp", 0)) - time.time()),
        "stack": outputs.source,
    }
    if as_json:
        print(json.dumps(facts))
        return
    groups = f", in {', '.join(facts['groups'])}" if facts["groups"] else ""
    print(f"{facts['user']} ({facts['sub']}{groups}) at {outputs.source}; the token ends in {_minutes(facts)} minutes.")


def _minutes(facts: dict[str, object]) -> int:
    return int(str(facts["expiresInSeconds"])) // 60


@command
def logout(stack: Stack = None, local: Local = False, file: File = None) -> None:
    """Revoke the refresh token and forget all tokens."""
    outputs = find_outputs(stack=stack, local=local, file=file)
    store = TokenStore(outputs)
    tokens = store.load()
    if tokens is None:
        store.clear()
        print("Nobody was signed in.")
        return
    try:
        sign_out(outputs, tokens)
    finally:
        store.clear()
    print("Signed out. The ID token itself stays valid until it expires; nobody has it but you.")


@users.command("list")
@command
def users_list(
    stack: Stack = None, local: Local = False, file: File = None, profile: Profile = None, as_json: AsJson = False
) -> None:
    """List the users."""
    found = Users(find_outputs(stack=stack, local=local, file=file), profile).list()
    for user in found:
        if as_json:
            print(json.dumps(user._asdict()))
        else:
            print(f"{user.email or user.username:<40} {user.status:<22} {'' if user.enabled else 'disabled'}".rstrip())


@users.command("add")
@command
def users_add(
    email: Annotated[str, typer.Argument(help="Becomes the user's name.")],
    stack: Stack = None,
    local: Local = False,
    file: File = None,
    profile: Profile = None,
    invite: Annotated[bool, typer.Option(help="Let Cognito send the temporary password by e-mail.")] = True,
    as_json: AsJson = False,
) -> None:
    """Add a user, who chooses a password at the first sign-in."""
    outputs = find_outputs(stack=stack, local=local, file=file)
    # Nothing sends e-mail from a local run.
    password = Users(outputs, profile).add(email, invite=invite and not outputs.is_local)
    if as_json:
        print(json.dumps({"email": email, "temporaryPassword": password}))
    elif password:
        print(f"Added {email}. Temporary password, shown once: {password}")
    else:
        print(f"Added {email}; Cognito sends the temporary password.")


@users.command("disable")
@command
def users_disable(
    username: Annotated[str, typer.Argument(help="The user's name or e-mail address.")],
    stack: Stack = None,
    local: Local = False,
    file: File = None,
    profile: Profile = None,
) -> None:
    """Let a user in no more; an ID token that was given out lives on until it expires."""
    Users(find_outputs(stack=stack, local=local, file=file), profile).disable(username)
    print(f"Disabled {username}.")


def _credentials(outputs: Outputs, username: str | None, *, from_pipe: bool) -> tuple[str, str]:
    """The given user with a password from a prompt or a pipe, or the local run's demo user."""
    if username is None and outputs.demo_username and outputs.demo_password:
        return outputs.demo_username, outputs.demo_password.get_secret_value()
    if from_pipe:
        if username is None:
            raise SignInError("--password-stdin needs --username.")
        return username, sys.stdin.readline().rstrip("\r\n")
    if not sys.stdin.isatty():
        raise SignInError("There is no terminal to ask for a password on: use --username and --password-stdin.")
    return username or typer.prompt("E-mail", err=True), typer.prompt("Password", hide_input=True, err=True)


def _ask_user(challenge: Challenge) -> str:
    if not sys.stdin.isatty():
        raise SignInError(f"Cognito asks for more than a password ({challenge.name}): sign in on a terminal.")
    answer: str = typer.prompt(
        challenge.question,
        hide_input=challenge.secret,
        confirmation_prompt=challenge.name == "NEW_PASSWORD_REQUIRED",
        err=True,
    )
    return answer


def _open_page(url: str) -> None:
    print(f"Sign in on this page; waiting for it:\n  {url}", file=sys.stderr, flush=True)
    webbrowser.open(url)
