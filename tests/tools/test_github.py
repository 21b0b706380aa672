"""What GitHub is told, over a real socket: on the right pull request, once, and nothing that a report could inject."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from tools.github import FILES, LABEL, MARK, MOST_CHARACTERS, fenced, main, reports

SHA = "a" * 40


class Api:
    """As much of GitHub's REST API as is called, with pull requests, comments and issues that a test may set."""

    def __init__(self) -> None:
        self.pulls: list[dict[str, Any]] = [{"number": 7, "head": {"sha": SHA}, "from": "someone:fix"}]
        self.comments: list[dict[str, Any]] = []
        self.issues: list[dict[str, Any]] = []
        self.assets: list[dict[str, Any]] = []
        self.uploaded: dict[str, bytes] = {}
        self.deleted: list[str] = []
        self.written: list[tuple[str, str, dict[str, Any]]] = []
        self.refused = False
        self.address = ""

    def get(self, path: str, query: dict[str, str]) -> list[dict[str, Any]]:
        page, size = int(query["page"]), int(query["per_page"])
        if path.endswith("/pulls"):
            entries = [each for each in self.pulls if each["from"] == query["head"]]
        elif path.endswith("/comments"):
            entries = self.comments
        elif path.endswith("/assets"):
            entries = self.assets
        else:
            entries = [each for each in self.issues if query["labels"] in each["labels"]]
        return entries[(page - 1) * size : page * size]


@pytest.fixture
def api() -> Iterator[Api]:
    state = Api()

    class Handler(BaseHTTPRequestHandler):
        def respond(self, code: int, content: Any) -> None:
            body = json.dumps(content).encode()
            self.send_response(code)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def do_GET(self) -> None:
            assert self.headers["Authorization"] == "Bearer t0ken"
            split = urlsplit(self.path)
            query = {key: values[0] for key, values in parse_qs(split.query).items()}
            self.respond(200, state.get(split.path, query))

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if state.refused:
                self.respond(403, {"message": "Resource not accessible by integration"})
                return
            if self.path.startswith("/upload?name="):
                assert self.headers["Content-Type"] in FILES.values()
                state.uploaded[self.path.partition("=")[2]] = body
                self.respond(201, {"id": 2})
                return
            content = json.loads(body)
            state.written.append((self.command, self.path, content))
            self.respond(201, {"number": 11, "id": 1})

        def do_DELETE(self) -> None:
            state.deleted.append(self.path)
            self.send_response(204)
            self.end_headers()

        def do_PATCH(self) -> None:
            self.do_POST()

        def log_message(self, *_arguments: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=[0.01])  # it ends within this, and not half a second
    thread.start()
    state.address = f"http://127.0.0.1:{server.server_port}"
    yield state
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def told(api: Api, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of reports; the environment is a workflow's."""
    event = {
        "workflow_run": {"head_repository": {"owner": {"login": "someone"}}, "head_branch": "fix", "head_sha": SHA},
    }
    (tmp_path / "event.json").write_text(json.dumps(event))
    monkeypatch.setenv("GITHUB_API_URL", api.address)
    monkeypatch.setenv("GITHUB_REPOSITORY", "team/project")
    monkeypatch.setenv("GITHUB_TOKEN", "t0ken")
    monkeypatch.setenv("GITHUB_EVENT_PATH", str(tmp_path / "event.json"))
    folder = tmp_path / "reports"
    folder.mkdir()
    (folder / "dev.txt").write_text("+ 70 to create")
    return folder


def test_the_preview_is_told_on_the_pull_request_of_the_commit(api: Api, told: Path) -> None:
    assert main(["comment", "--reports", str(told)]) == 0
    ((method, path, content),) = api.written
    assert (method, path) == ("POST", "/repos/team/project/issues/7/comments")
    assert content["body"].startswith(MARK)
    assert "+ 70 to create" in content["body"]


def test_the_second_preview_replaces_the_first_comment_wherever_it_stands(api: Api, told: Path) -> None:
    someone = [{"id": n, "body": "Nice", "user": {"type": "User"}} for n in range(130)]
    api.comments = [*someone, {"id": 500, "body": f"{MARK} old", "user": {"type": "Bot"}}]
    assert main(["comment", "--reports", str(told)]) == 0
    ((method, path, _),) = api.written
    assert (method, path) == ("PATCH", "/repos/team/project/issues/comments/500")


def test_a_persons_comment_with_the_mark_is_left_alone(api: Api, told: Path) -> None:
    api.comments = [{"id": 3, "body": f"{MARK} mine", "user": {"type": "User"}}]
    assert main(["comment", "--reports", str(told)]) == 0
    assert api.written[0][0] == "POST"


def test_a_pull_request_that_has_moved_on_is_told_nothing(api: Api, told: Path) -> None:
    api.pulls[0]["head"]["sha"] = "b" * 40
    assert main(["comment", "--reports", str(told)]) == 0
    assert api.written == []


def test_a_report_cannot_leave_its_fence() -> None:
    hostile = "```\n</details>\n@everyone ````` \x1b[2J\x00 [x](https://example.com)"
    shown = fenced(hostile)
    fence = shown.split("text\n")[0]
    assert fence == "`" * 6
    assert shown.endswith(f"\n{fence}")
    assert fence not in shown[len(fence) : -len(fence)]
    assert "\x1b" not in shown
    assert "\x00" not in shown


def test_a_long_report_keeps_its_end() -> None:
    shown = fenced("a" * 10 * MOST_CHARACTERS + "error: at the end")
    assert len(shown) < MOST_CHARACTERS + 200
    assert "error: at the end" in shown


def test_only_reports_are_read(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("s")
    (tmp_path / "dev.txt").symlink_to(tmp_path / "secret")
    for name in ("prod.txt", "UPPER.txt", "a b.txt", "<b>.txt", "staging.html"):
        (tmp_path / name).write_text(name)
    assert reports(tmp_path) == {"prod": "prod.txt"}


def test_drift_is_an_issue_and_the_next_night_a_comment_on_it(api: Api, told: Path) -> None:
    assert main(["issue", "--reports", str(told)]) == 0
    ((_, path, made),) = api.written
    assert path == "/repos/team/project/issues"
    assert made["labels"] == [LABEL]
    api.issues = [{"number": 11, "title": made["title"], "labels": [LABEL]}]
    assert main(["issue", "--reports", str(told)]) == 0
    assert api.written[1][1] == "/repos/team/project/issues/11/comments"


@pytest.fixture
def released(api: Api, told: Path, tmp_path: Path) -> Path:
    """The folder with a release's files; the environment is a workflow's that a release started."""
    release = {"id": 5, "tag_name": "v1.0.0", "upload_url": f"{api.address}/upload{{?name,label}}"}
    (tmp_path / "event.json").write_text(json.dumps({"release": release}))
    folder = tmp_path / "dist"
    folder.mkdir()
    for name in FILES:
        (folder / name).write_bytes(name.encode())
    (folder / "agent-0123.zip").write_bytes(b"not for the release")
    return folder


def test_a_release_gets_its_files_and_nothing_else_of_the_folder(api: Api, released: Path) -> None:
    assert main(["release", "--files", str(released)]) == 0
    assert api.uploaded == {name: name.encode() for name in FILES}
    assert api.deleted == []


def test_a_file_of_an_earlier_attempt_is_replaced(api: Api, released: Path) -> None:
    api.assets = [{"name": "page.zip", "id": 31}, {"name": "notes.txt", "id": 32}]
    assert main(["release", "--files", str(released)]) == 0
    assert api.deleted == ["/repos/team/project/releases/assets/31"]
    assert set(api.uploaded) == {*FILES}


def test_a_file_that_was_not_made_is_named(api: Api, released: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (released / "page.zip").unlink()
    assert main(["release", "--files", str(released)]) == 1
    assert "make release-files" in capsys.readouterr().err
    assert api.uploaded == {}


def test_a_refusal_is_told_in_a_sentence(api: Api, told: Path, capsys: pytest.CaptureFixture[str]) -> None:
    api.refused = True
    assert main(["comment", "--reports", str(told)]) == 1
    assert "check the job's permissions" in capsys.readouterr().err


def test_outside_a_workflow_it_says_what_is_missing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("GITHUB_TOKEN", raising=False)
    assert main(["comment", "--reports", str(tmp_path)]) == 2
    assert "GITHUB_TOKEN" in capsys.readouterr().err
