"""Stores tokens between commands: one file per stack, readable only by its owner."""

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

    A local run's tokens are in its own folder, because its user pool ends with it; all others are below
    ``$XDG_STATE_HOME/agent-stream`` (by default ``~/.local/state/agent-stream``).
    """

    def __init__(self, outputs: Outputs, folder: Path | None = None) -> None:
        self._outputs = outputs
        self.path = _path(outputs, folder)

    def load(self, *, any_address: bool = False) -> Tokens | None:
        """Return the stored tokens; None when there are none, or only those of another pool or client.

        Args:
            any_address: accept tokens that were stored for other addresses; only for sending them to Cognito.

        Raises:
            SignInError: when the file cannot be trusted or read, or its tokens are for other addresses.
        """
        try:
            check_folder(self.path.parent)
            stored = json.loads(read_private(self.path))
            if stored["client"] != self._outputs.user_pool_client_id or stored["pool"] != self._outputs.user_pool_id:
                return None
            self._check_address(stored.get("for"), any_address=any_address)
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

    def _check_address(self, given: object, *, any_address: bool) -> None:
        """Refuse tokens that were stored for other addresses: a forged file of outputs may name the same pool."""
        wanted = origins(self._outputs)
        if any_address or self._outputs.is_local or given == wanted:
            return
        before = ", ".join(map(str, given)) if isinstance(given, list) else "no address"
        raise SignInError(
            f"The sign-in in {self.path} is for {before}, and these outputs have {', '.join(wanted)}: if you trust "
            f"that address, sign in again with `python -m client login{self._outputs.option}`."
        )

    def save(self, tokens: Tokens) -> None:
        """Write the tokens atomically, to a file with mode 0600 from the start.

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
            except BaseException:  # also KeyboardInterrupt: remove the temporary file with the tokens
                with contextlib.suppress(OSError):
                    Path(draft).unlink()
                raise
        except NotPrivateError as error:
            raise SignInError(
                f"The tokens are not stored in {self.path.parent}, because it {error}: set XDG_STATE_HOME to a folder "
                "of your own."
            ) from None
        except OSError as error:
            raise SignInError(
                f"The tokens cannot be stored in {self.path} ({error.strerror or error}): set XDG_STATE_HOME to a "
                "folder that you can write to."
            ) from None

    def clear(self) -> bool:
        """Remove the tokens; return False when there were none.

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
    """Return the folder for state that outlives a command: ``agent-stream`` below ``$XDG_STATE_HOME``.

    A relative $XDG_STATE_HOME is ignored (https://specifications.freedesktop.org/basedir-spec/latest/): it would put
    tokens into the current folder.

    Raises:
        SignInError: when the user has no home folder, as in some containers.
    """
    given = Path(os.environ.get("XDG_STATE_HOME", ""))
    try:
        return (given if given.is_absolute() else Path.home() / ".local/state") / "agent-stream"
    except RuntimeError:
        raise SignInError(
            "The sign-in cannot be stored, because this user has no home folder: set XDG_STATE_HOME to a folder."
        ) from None


def _path(outputs: Outputs, folder: Path | None) -> Path:
    if folder is None and outputs.is_local and outputs.folder is not None:
        return outputs.folder / "tokens.json"
    if folder is None:
        folder = state_folder()
    stack = outputs.source.removeprefix("stack ")
    # Percent-encoded, because `acme/dev` and `acme-dev` are two stacks.
    name = f"stack-{stack}" if stack != outputs.source else outputs.user_pool_id
    return folder / f"{quote(name, safe='', errors='replace')}.json"
