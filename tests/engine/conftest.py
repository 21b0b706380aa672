"""Fixtures of the engine's tests; without an engine on this machine they are skipped, and one line says so."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.engine.cli import engine_root
from tests.engine.provider import Cloud, serving
from tests.engine.stacks import EngineStack, structured
from tests.infra.graphs import A_PAGE, changed_settings


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if engine_root() is None:
        missing = pytest.mark.skip(reason="there is no Pulumi engine: `make engine` builds one where Go is")
        for item in items:
            if item.path.is_relative_to(Path(__file__).parent):
                item.add_marker(missing)


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    """The Automation API warns of loops and sockets that it leaves to the garbage collector."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        yield


@pytest.fixture(scope="session", autouse=True)
def package_path(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Something in the place of the agent's package, and a small page in the place of the chat page."""
    path = tmp_path_factory.mktemp("package") / "agent-0123456789abcdef.zip"
    path.write_bytes(b"not a package")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("package.contents.package_path", lambda: path)
        patch.setattr("infra.website.built_page", lambda: A_PAGE)
        yield path


NewStack = Callable[..., EngineStack]


@pytest.fixture
def created(tmp_path: Path) -> Iterator[NewStack]:
    """Makes a stack whose settings differ from an environment's by the given sections; nothing is deployed yet."""
    with ExitStack() as until_the_end:

        def create(stack: str = "dev", **changes: dict[str, object]) -> EngineStack:
            cloud = Cloud()
            folder = tmp_path / f"stack-{len(list(tmp_path.iterdir()))}"
            folder.mkdir()
            made = EngineStack(folder, stack, cloud, until_the_end.enter_context(serving(cloud)))
            made.configure(structured(changed_settings(stack, changes)))
            return made

        yield create


@pytest.fixture
def deployed(created: NewStack) -> NewStack:
    """Deploys a stack whose settings differ from an environment's by the given sections."""

    def deploy(stack: str = "dev", **changes: dict[str, object]) -> EngineStack:
        made = created(stack, **changes)
        made.up()
        return made

    return deploy
