"""One healthy chain for all tests of the client, its tokens, and variants of it that are broken on purpose."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from client.account import Account
from client.outputs import Outputs
from client.signin import Tokens
from client.store import TokenStore
from client.users import administrator
from tests.client.variants import Base, environment_of, fork
from tests.e2e.conftest import PATIENCE

PASSWORD = "Correct-horse-7!"
"""Of the user that `stranger` makes."""


class Done(NamedTuple):
    """What a command printed, and how it ended."""

    returncode: int
    stdout: str
    stderr: str


Run = Callable[..., Done]


@pytest.fixture(scope="session")
def base(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Base]:
    running = Base(tmp_path_factory.mktemp("client-chain"))
    try:
        running.wait_until_up()
        yield running
    finally:
        running.end()


@pytest.fixture
def outputs(base: Base) -> Outputs:
    return base.outputs


@pytest.fixture(scope="session")
def tokens(base: Base) -> Tokens:
    outputs = base.outputs
    return Account(outputs, TokenStore(outputs)).tokens()


@pytest.fixture
def run(base: Base, tmp_path: Path) -> Run:
    """Runs python -m client against the chain, with stored tokens of its own."""

    numbers = itertools.count()

    def run(*arguments: str, stdin: str = "", file: Path | None = None) -> Done:
        folder = tmp_path / f"run-{next(numbers)}"
        folder.mkdir()
        streams = {0: folder / "in", 1: folder / "out", 2: folder / "err"}
        streams[0].write_text(stdin)
        which = ["--outputs", str(file or base.folder / "outputs.json")]
        process = fork("client", [*arguments, *which], environment_of(tmp_path), streams)
        process.join(PATIENCE)
        assert process.exitcode is not None, "never ends"
        return Done(process.exitcode, streams[1].read_text(), streams[2].read_text())

    return run


@pytest.fixture
def stranger(outputs: Outputs) -> Iterator[str]:
    """A user with a password of their own."""
    name = f"user-{time.monotonic_ns()}@example.com"
    cognito: Any = administrator(outputs)
    cognito.admin_create_user(UserPoolId=outputs.user_pool_id, Username=name, MessageAction="SUPPRESS")
    cognito.admin_set_user_password(UserPoolId=outputs.user_pool_id, Username=name, Password=PASSWORD, Permanent=True)
    yield name
    cognito.admin_delete_user(UserPoolId=outputs.user_pool_id, Username=name)
