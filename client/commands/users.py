"""``users``: what an administrator does with a stack's users."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer

from client.commands.target import AsJson, File, Local, Stack, command, find_outputs
from client.terminal import say
from client.users import Users

users = typer.Typer(no_args_is_help=True, help="The stack's users, for an administrator.")

Profile = Annotated[str | None, typer.Option(help="The AWS profile to sign with.")]
Username = Annotated[str, typer.Argument(help="The user's name or e-mail address.")]


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
            say(f"{user.email or user.username:<40} {user.status:<22} {'' if user.enabled else 'disabled'}".rstrip())


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
        say(f"Added {email}. Temporary password, shown once: {password}")
    else:
        say(f"Added {email}; Cognito sends the temporary password.")


@users.command("disable")
@command
def users_disable(
    username: Username,
    stack: Stack = None,
    local: Local = False,
    file: File = None,
    profile: Profile = None,
    as_json: AsJson = False,
) -> None:
    """Let a user in no more; an ID token that was given out lives on until it expires."""
    Users(find_outputs(stack=stack, local=local, file=file), profile).disable(username)
    if as_json:
        print(json.dumps({"username": username, "enabled": False}))
    else:
        say(f"Disabled {username}.")


@users.command("enable")
@command
def users_enable(
    username: Username,
    stack: Stack = None,
    local: Local = False,
    file: File = None,
    profile: Profile = None,
    as_json: AsJson = False,
) -> None:
    """Let a disabled user in again."""
    Users(find_outputs(stack=stack, local=local, file=file), profile).enable(username)
    _done({"username": username, "enabled": True}, f"Enabled {username}.", as_json=as_json)


@users.command("reset")
@command
def users_reset(
    username: Username,
    stack: Stack = None,
    local: Local = False,
    file: File = None,
    profile: Profile = None,
    as_json: AsJson = False,
) -> None:
    """Have a user choose a new password, with a code that Cognito sends by e-mail."""
    Users(find_outputs(stack=stack, local=local, file=file), profile).reset(username)
    _done({"username": username, "reset": True}, f"Cognito sends {username} a code.", as_json=as_json)


@users.command("delete")
@command
def users_delete(
    username: Username,
    stack: Stack = None,
    local: Local = False,
    file: File = None,
    profile: Profile = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    as_json: AsJson = False,
) -> None:
    """Remove an account for good; docs/security.md says what else is kept of a user."""
    if not yes:
        typer.confirm(f"Delete {username} for good?", abort=True, err=True)
    Users(find_outputs(stack=stack, local=local, file=file), profile).delete(username)
    _done({"username": username, "deleted": True}, f"Deleted {username}.", as_json=as_json)


@users.command("erase")
@command
def users_erase(
    username: Username,
    stack: Stack = None,
    local: Local = False,
    file: File = None,
    profile: Profile = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    as_json: AsJson = False,
) -> None:
    """Delete a disabled user's conversations and account for good; docs/security.md says what stays in logs."""
    outputs = find_outputs(stack=stack, local=local, file=file)
    if not yes:
        typer.confirm(f"Delete {username} and all that was said for good?", abort=True, err=True)
    from client.erasure import erase  # noqa: PLC0415 - needed by nothing else here

    erased = erase(outputs, username, profile)
    told = f"{erased.events} turns of {erased.conversations} conversations" if erased.memory else "no conversation"
    _done(
        {"username": username, **erased._asdict()},
        f"Erased {username} ({erased.sub}): the account and {told}. What logs hold ends with their retention.",
        as_json=as_json,
    )


@users.command("groups")
@command
def users_groups(
    username: Username,
    add: Annotated[list[str] | None, typer.Option("--add", help="A group to put the user into.")] = None,
    remove: Annotated[list[str] | None, typer.Option("--remove", help="A group to take the user out of.")] = None,
    stack: Stack = None,
    local: Local = False,
    file: File = None,
    profile: Profile = None,
    as_json: AsJson = False,
) -> None:
    """Show a user's groups, or change them; the next token has them."""
    found = Users(find_outputs(stack=stack, local=local, file=file), profile).change_groups(
        username, add or [], remove or []
    )
    _done({"username": username, "groups": found}, f"{username}: {', '.join(found) or 'no groups'}", as_json=as_json)


def _done(facts: dict[str, Any], sentence: str, *, as_json: bool) -> None:
    if as_json:
        print(json.dumps(facts))
    else:
        say(sentence)
