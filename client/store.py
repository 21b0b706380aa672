"""Where tokens are kept between two commands: one file per stack, readable by its owner alone."""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
from pathlib import Path
from urllib.parse import quote

from client.addresses import origins
from client.errors import SignInError
from client.outputs import Outputs
from client.private_file import NotPrivateError, check_folder, read_private
from client.signin import Tokens


class TokenStore:
    """The stored tokens of one stack's user.

    A local run's tokens live in its own folder, since its user pool does not outlive it; all others live below
    ``$XDG_STATE_HOME/agent-stream`` (``~/.local/state/agent-stream``).
    """

    def __init__(self, outputs: Outputs, folder: Path | None = None) -> None:
        self._outputs = outputs
        self.path = _path(outputs, folder)

    def load(self, *, anywhere: bool = False) -> Tokens | None:
        """The stored tokens; None when there are none, or only those of another pool or client.

        Args:
            anywhere: also where they were stored for another address; they are sent nowhere but to Cognito then.

        Raises:
            SignInError: when the file is there and cannot be trusted or read, or its tokens are for another address.
        """
        try:
            check_folder(self.path.parent)
            stored = json.loads(read_private(self.path))
            if stored["client"] != self._outputs.user_pool_client_id or stored["pool"] != self._outputs.user_pool_id:
                return None
            self._check_address(stored.get("for"), anywhere=anywhere)
            return Tokens(str(stored["id"]), str(stored["access"]), str(stored["refresh"]))
        except FileNotFoundError:
            return None
        except NotPrivateError as error:
            raise SignInError(
                f"{self.path}, or its folder, {error}: remove it, change your password and sign in again."
            ) from None
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise SignInError(
                f"{self.path} cannot be read ({type(error).__name__}): remove it and sign in again."
            ) from None

    def _check_address(self, given: object, *, anywhere: bool) -> None:
        """Tokens go where they were given for: a file of outputs may name the same pool and another address."""
        wanted = origins(self._outputs)
        if anywhere or self._outputs.is_local or given == wanted:
            return
        before = ", ".join(map(str, given)) if isinstance(given, list) else "no address"
        raise SignInError(
            f"The sign-in in {self.path} is for {before}, and these outputs name {', '.join(wanted)}: if that address "
            f"is yours, sign in again with `python -m client login{self._outputs.option}`."
        )

    def save(self, tokens: Tokens) -> None:
        """Write the tokens whole or not at all; the file never exists with a wider mode.

        Raises:
            SignInError: when it cannot be written.
        """
        text = json.dumps(
            {
                "pool": self._outputs.user_pool_id,
                "client": self._outputs.user_pool_client_id,
                "for": origins(self._outputs),
                **tokens._asdict(),
            }
        )
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            check_folder(self.path.parent)
            handle, draft = tempfile.mkstemp(dir=self.path.parent, prefix=self.path.name)  # mkstemp gives 0600
            try:
                with os.fdopen(handle, "w", encoding="utf-8") as file:
                    file.write(text)
                Path(draft).replace(self.path)
            except BaseException:  # Ctrl-C too: no copy of the tokens stays behind
                with contextlib.suppress(OSError):
                    Path(draft).unlink()
                raise
        except NotPrivateError as error:
            raise SignInError(
                f"The tokens are not kept in {self.path.parent}, which {error}: let XDG_STATE_HOME name a folder of "
                "your own."
            ) from None
        except OSError as error:
            raise SignInError(
                f"The tokens cannot be kept in {self.path} ({error.strerror or error}): let XDG_STATE_HOME name a "
                "folder that you can write to."
            ) from None

    def clear(self) -> bool:
        """Remove the tokens; False when there were none.

        Raises:
            SignInError: when they cannot be removed.
        """
        try:
            self.path.unlink()
        except FileNotFoundError:
            return False
        except OSError as error:
            raise SignInError(f"{self.path} cannot be removed ({error.strerror}): remove it by hand.") from None
        return True


def state_folder() -> Path:
    """Where this program keeps what outlives a command: ``agent-stream`` below ``$XDG_STATE_HOME``.

    A relative path there is none (https://specifications.freedesktop.org/basedir-spec/latest/): it would leave tokens
    in whichever folder a command is started in.

    Raises:
        SignInError: when there is no such folder, as for a user of a container who has no home.
    """
    given = Path(os.environ.get("XDG_STATE_HOME", ""))
    try:
        return (given if given.is_absolute() else Path.home() / ".local/state") / "agent-stream"
    except RuntimeError:
        raise SignInError(
            "There is no folder to keep the sign-in in, for this user has no home: let XDG_STATE_HOME name one."
        ) from None


def _path(outputs: Outputs, folder: Path | None) -> Path:
    if folder is None and outputs.is_local and outputs.folder is not None:
        return outputs.folder / "tokens.json"
    if folder is None:
        folder = state_folder()
    stack = outputs.source.removeprefix("stack ")
    # Escaped, and not replaced: `acme/dev` and `acme-dev` are two stacks.
    name = f"stack-{stack}" if stack != outputs.source else outputs.user_pool_id
    return folder / f"{quote(name, safe='', errors='replace')}.json"
