"""The chat page on the gateway's own origin: its files, its settings, and nothing else."""

from __future__ import annotations

import json
from pathlib import Path

import httpx
import pytest

from infra import built_page as built
from infra.page import page_config, security_headers
from tests import loopback
from tests.local.conftest import Backend, Serve, UserPool, post

CONFIG = {"loginUrl": "http://127.0.0.1:4566/login", "invokeUrl": "/invocations"}


@pytest.fixture
def origin(serve_gateway: Serve, tmp_path: Path) -> str:
    """Where a gateway serves a page of three files."""
    folder, config = tmp_path / "page", tmp_path / "config.json"
    (folder / "assets").mkdir(parents=True)
    (folder / "index.html").write_text("<!doctype html>the page")
    (folder / "assets" / "index-abc.js").write_text("1")
    config.write_text(json.dumps(CONFIG))
    (tmp_path / "secret").write_text("secret")
    return serve_gateway(page=(folder, config)).partition("/dev/")[0]


def get(url: str) -> httpx.Response:
    return loopback.get(url)


@pytest.mark.parametrize(
    ("path", "kind", "cache"),
    [
        ("/", "text/html; charset=utf-8", "no-cache"),
        ("/config.json", "application/json", "no-cache"),
        ("/assets/index-abc.js", "text/javascript; charset=utf-8", "public, max-age=31536000, immutable"),
    ],
)
def test_a_file_has_its_type_and_the_security_headers(origin: str, path: str, kind: str, cache: str) -> None:
    answer = get(f"{origin}{path}")
    assert (answer.status_code, answer.headers["content-type"], answer.headers["cache-control"]) == (200, kind, cache)
    expected = security_headers([CONFIG["loginUrl"]])
    assert {name: answer.headers[name] for name in expected} == expected
    assert "connect-src 'self' http://127.0.0.1:4566;" in answer.headers["content-security-policy"]


def test_invocations_is_the_stage_s_and_passes_everything_that_guards_it(
    origin: str, pool: UserPool, backend: Backend
) -> None:
    assert post(f"{origin}/invocations", None).status_code == 401
    assert post(f"{origin}/invocations", pool.id_token()).status_code == 200
    assert len(backend.requests) == 1


@pytest.mark.parametrize("path", ["/nothing", "/assets/", "/../secret", "/assets/..%2f..%2fsecret", "//config.json"])
def test_what_is_not_the_page_s_is_the_gateway_s(origin: str, path: str) -> None:
    assert get(f"{origin}{path}").json()["type"] == "MISSING_AUTHENTICATION_TOKEN"


def test_the_page_is_read_and_not_written(origin: str) -> None:
    assert loopback.post(f"{origin}/").json()["type"] == "MISSING_AUTHENTICATION_TOKEN"


def test_the_settings_name_no_secret() -> None:
    outputs = {"stackName": "s", "demoPassword": "p", "apiKeys": {"k": "v"}, "sessionFrom": "user", "alarms": True}
    config = page_config(outputs, "http://127.0.0.1:8000/")
    assert config == {
        "stackName": "s",
        "sessionFrom": "user",
        "invokeUrl": "/invocations",
        "callbackUrl": "http://127.0.0.1:8000/",
    }


def test_the_page_of_other_sources_is_not_the_page(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """An edit of the sources asks for a new build; putting them back finds the one before."""
    sources = tmp_path / "web"
    (sources / "src").mkdir(parents=True)
    for name in ("package.json", "package-lock.json", "tsconfig.json", "vite.config.ts", "index.html", "src/main.tsx"):
        (sources / name).write_text("1")
    monkeypatch.setattr(built, "SOURCES", sources)
    monkeypatch.setattr(built, "BUILDS", tmp_path / "builds")
    assert built.built_page() is None
    made = built.page_folder()
    made.mkdir(parents=True)
    (made / "index.html").write_text("")
    assert built.built_page() == made
    (sources / "src" / "main.tsx").write_text("2")
    assert built.built_page() is None
    (sources / "src" / "main.tsx").write_text("1")
    assert built.built_page() == made
    (sources / "package.json").unlink()
    assert built.built_page() is None
