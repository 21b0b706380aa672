"""``users``: administration of a stack's users."""

from __future__ import annotations

import functools
import inspect
import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, get_type_hints

import typer

from client.commands.target import AsJson, File, Local, Stack, command, find_outputs
from client.outputs import Outputs
from client.terminal import say
from client.users import Users

users = typer.Typer(no_args_is_help=True, help="Manage the stack's users, as an administrator.")

Profile = Annotated[str | None, typer.Option(help="The AWS profile to sign with.")]
Username = Annotated[str, typer.Argument(help="The user's name or e-mail address.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask for confirmation.")]

Results = Iterator[tuple[Mapping[str, Any], str]]
"""The results of a command: each as JSON and as a sentence."""


def _shared(
    stack: Stack = None, local: Local = False, file: File = None, profile: Profile = None, as_json: AsJson = False
) -> None:
    """The options that all these commands have; only the signature is used."""


def administration(name: str) -> Callable[[Callable[..., Results]], Callable[..., Results]]:
    """Register a command of ``users``; the function gets the outputs, the AWS profile and its own options."""

    def register(act: Callable[..., Results]) -> Callable[..., Results]:
        @command
        @functools.wraps(act)
        def run(  # the names are those of `_shared`
            *, stack: str | None, local: bool, file: Path | None, profile: str | None, as_json: bool, **own: Any
        ) -> None:
            for facts, sentence in act(find_outputs(stack=stack, local=local, file=file), profile, **own):
                print(json.dumps(facts)) if as_json else say(sentence)

        # typer derives a command's options from its signature.
        _, _, *own = inspect.signature(act).parameters.values()
        hints = get_type_hints(act, include_extras=True) | get_type_hints(_shared, include_extras=True)
        parameters = [*own, *inspect.signature(_shared).parameters.values()]
        taken = [each.replace(annotation=hints[each.name]) for each in parameters]
        vars(run)["__signature__"] = inspect.Signature(taken)
        run.__annotations__ = {each.name: each.annotation for each in taken}
        users.command(name)(run)
        return act

    return register


def _confirmed(question: str, *, yes: bool) -> None:
    if not yes:
        typer.confirm(question, abort=True, err=True)


@administration("list")
def users_list(outputs: Outputs, profile: str | None) -> Results:
    """List the users."""
    for user in Users(outputs, profile).list():
        state = "" if user.enabled else "disabled"
        yield user._asdict(), f"{user.email or user.username:<40} {user.status:<22} {state}".rstrip()


@administration("add")
def users_add(
    outputs: Outputs,
    profile: str | None,
    email: Annotated[str, typer.Argument(help="The e-mail address, which is also the user name.")],
    invite: Annotated[bool, typer.Option(help="Have Cognito send the temporary password by e-mail.")] = True,
) -> Results:
    """Add a user, who chooses a password at the first sign-in."""
    # A local run sends no e-mail.
    password = Users(outputs, profile).add(email, invite=invite and not outputs.is_local)
    sent = f"Added {email}; Cognito sends the temporary password."
    shown = f"Added {email}. Temporary password, shown once: {password}"
    yield {"email": email, "temporaryPassword": password}, shown if password else sent


@administration("disable")
def users_disable(outputs: Outputs, profile: str | None, username: Username) -> Results:
    """Prevent a user from signing in; an issued ID token stays valid until it expires."""
    Users(outputs, profile).disable(username)
    yield {"username": username, "enabled": False}, f"Disabled {username}."


@administration("enable")
def users_enable(outputs: Outputs, profile: str | None, username: Username) -> Results:
    """Allow a disabled user to sign in again."""
    Users(outputs, profile).enable(username)
    yield {"username": username, "enabled": True}, f"Enabled {username}."


@administration("reset")
def users_reset(outputs: Outputs, profile: str | None, username: Username) -> Results:
    """Have a user choose a new password, with a code that Cognito sends by e-mail."""
    Users(outputs, profile).reset(username)
    yield {"username": username, "reset": True}, f"Cognito sends {username} a code."


@administration("delete")
def users_delete(outputs: Outputs, profile: str | None, username: Username, yes: Yes = False) -> Results:
    """Delete an account permanently; docs/security.md says what other data of a user is stored."""
    _confirmed(f"Delete {username} permanently?", yes=yes)
    Users(outputs, profile).delete(username)
    yield {"username": username, "deleted": True}, f"Deleted {username}."


@administration("erase")
def users_erase(outputs: Outputs, profile: str | None, username: Username, yes: Yes = False) -> Results:
    """Delete a disabled user's conversations and account permanently; docs/security.md says what stays in logs."""
    _confirmed(f"Delete {username} and all conversations permanently?", yes=yes)
    from client.erasure import erase  # noqa: PLC0415 - needed only here

    erased = erase(outputs, username, profile)
    gone = f"{erased.events} turns of {erased.conversations} conversations" if erased.memory else "no conversation"
    yield (
        {"username": username, **erased._asdict()},
        f"Erased {username} ({erased.sub}): the account and {gone}. Log lines are deleted after the logs' retention.",
    )


@administration("groups")
def users_groups(
    outputs: Outputs,
    profile: str | None,
    username: Username,
    add: Annotated[list[str] | None, typer.Option("--add", help="A group to add the user to.")] = None,
    remove: Annotated[list[str] | None, typer.Option("--remove", help="A group to remove the user from.")] = None,
) -> Results:
    """Show a user's groups, or change them; a change applies from the next token."""
    found = Users(outputs, profile).change_groups(username, add or [], remove or [])
    yield {"username": username, "groups": found}, f"{username}: {', '.join(found) or 'no groups'}"
