"""Posts to GitHub: ``python -m tools.github comment`` (previews on their pull request), ``… issue`` (drift) and
``… release`` (the files of a release).

Runs with a token that may only write comments, issues or a release's files. A report comes from a job that ran a pull
request's code, so it is untrusted: its size is limited, it is shown inside a fence that it cannot close, and its pull
request is looked up by the commit in GitHub's event, not read from the report.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import httpx

MARK = "<!-- agent-stream preview -->"
LABEL = "drift"
MOST_CHARACTERS = 15_000
"""The limit of one report; GitHub allows 65,536 in a comment, and there are three environments."""

SECONDS = 30.0
PAGE = 100
FILES = {
    "page.zip": "application/zip",
    "agent.cdx.json": "application/vnd.cyclonedx+json",
    "agent-licences.txt": "text/plain",
}
"""The files of a release, made by ``make release-files``, with their media types."""

REPORT = re.compile(r"([a-z][a-z0-9-]{0,39})\.txt")


class GitHub:
    """The calls of GitHub's REST API that are used here, for one repository."""

    def __init__(self, address: str, repository: str, token: str) -> None:
        self._http = httpx.Client(
            base_url=f"{address}/repos/{repository}",
            headers={"Authorization": f"Bearer {token}", "Accept": "application/vnd.github+json"},
            timeout=SECONDS,
        )

    def get_all(self, path: str, **parameters: str) -> Iterator[dict[str, Any]]:
        """Every entry of a list, page by page."""
        page = 1
        while True:
            answer = self._http.get(path, params={**parameters, "per_page": PAGE, "page": page}).raise_for_status()
            entries: list[dict[str, Any]] = answer.json()
            yield from entries
            if len(entries) < PAGE:
                return
            page += 1

    def send(self, method: str, path: str, **content: Any) -> dict[str, Any]:
        """Create or change an object, and return it."""
        made: dict[str, Any] = self._http.request(method, path, json=content).raise_for_status().json()
        return made

    def delete(self, path: str) -> None:
        """Delete an object."""
        self._http.delete(path).raise_for_status()

    def upload(self, address: str, file: Path, media_type: str) -> None:
        """Upload a file to the address that GitHub gave for it."""
        sent = self._http.post(
            address, params={"name": file.name}, content=file.read_bytes(), headers={"Content-Type": media_type}
        )
        sent.raise_for_status()


def fenced(text: str) -> str:
    """A text without control characters, in a fence that is longer than any run of backquotes in it. A long text is cut
    in the middle, because errors are at its end."""
    shown = "".join(each for each in text if each in "\n\t" or each.isprintable())
    if len(shown) > MOST_CHARACTERS:
        half = MOST_CHARACTERS // 2
        shown = f"{shown[:half]}\n… {len(shown) - 2 * half} characters left out …\n{shown[-half:]}"
    fence = "`" * max(3, 1 + max((len(run) for run in re.findall(r"`+", shown)), default=0))
    return f"{fence}text\n{shown.rstrip()}\n{fence}"


def reports(folder: Path) -> dict[str, str]:
    """The reports in a folder, by stack; other files are ignored."""
    found = {}
    for path in sorted(folder.rglob("*.txt")):
        named = REPORT.fullmatch(path.name)
        if named and path.is_file() and not path.is_symlink():
            with path.open(encoding="utf-8", errors="replace") as file:
                found[named[1]] = file.read(MOST_CHARACTERS * 4)
    return found


def pull_request_of(github: GitHub, run: dict[str, Any]) -> int | None:
    """The open pull request whose newest commit the run was for; None if it has newer commits or is closed."""
    head = f"{run['head_repository']['owner']['login']}:{run['head_branch']}"
    for pull in github.get_all("/pulls", state="open", head=head):
        if pull["head"]["sha"] == run["head_sha"]:
            return int(pull["number"])
    return None


def comment(github: GitHub, event: dict[str, Any], folder: Path) -> str:
    """Post the previews on their pull request, or update the existing comment; return what was done."""
    number = pull_request_of(github, event["workflow_run"])
    if number is None:
        return "No open pull request has this commit as its newest: nothing was posted."
    parts = [
        f"<details><summary>Preview of <b>{stack}</b></summary>\n\n{fenced(text)}\n\n</details>"
        for stack, text in reports(folder).items()
    ]
    body = "\n\n".join([MARK, *(parts or ["The preview wrote no report: see its run."])])
    for each in github.get_all(f"/issues/{number}/comments"):
        if MARK in (each["body"] or "") and each["user"]["type"] == "Bot":
            github.send("PATCH", f"/issues/comments/{each['id']}", body=body)
            return f"The comment on pull request {number} was updated."
    github.send("POST", f"/issues/{number}/comments", body=body)
    return f"A comment was added to pull request {number}."


def issue(github: GitHub, folder: Path) -> str:
    """Open an issue for each stack with a report, or comment on the open one; return what was done."""
    done = []
    for stack, text in reports(folder).items():
        title = f"Drift: {stack} is not what was deployed"
        body = f"`make drift STACK={stack}` found it. docs/operations.md says what to do.\n\n{fenced(text)}"
        there = (each for each in github.get_all("/issues", state="open", labels=LABEL) if each["title"] == title)
        if found := next(there, None):
            github.send("POST", f"/issues/{found['number']}/comments", body=body)
        else:
            found = github.send("POST", "/issues", title=title, body=body, labels=[LABEL])
        done.append(f"{stack}: issue {found['number']}")
    return "; ".join(done) or "No stack has drifted."


def attach(github: GitHub, event: dict[str, Any], folder: Path) -> str:
    """Attach the files to a release, replacing those of an earlier attempt; return what was done.

    Raises:
        OSError: when one of them is missing.
    """
    release = event["release"]
    there = {each["name"]: each["id"] for each in github.get_all(f"/releases/{release['id']}/assets")}
    address = release["upload_url"].partition("{")[0]  # a URI template: …/assets{?name,label}
    for name, media_type in FILES.items():
        if not (folder / name).is_file():
            raise OSError(f"{folder / name} is missing: `make release-files` makes it")
        if name in there:
            github.delete(f"/releases/assets/{there[name]}")
        github.upload(address, folder / name, media_type)
    return f"{release['tag_name']} has {', '.join(FILES)}."


def main(arguments: Sequence[str] | None = None) -> int:
    """Post as the command says, and print what was done."""
    parser = argparse.ArgumentParser(prog="python -m tools.github", description=__doc__)
    parser.add_argument("what", choices=("comment", "issue", "release"))
    parser.add_argument("--reports", type=Path, help="comment, issue: the folder with a STACK.txt for each stack")
    parser.add_argument("--files", type=Path, help="release: the folder with its files")
    options = parser.parse_args(arguments)
    folder: Path | None = options.files if options.what == "release" else options.reports
    if folder is None:
        parser.error(f"{options.what} needs {'--files' if options.what == 'release' else '--reports'}")
    missing = [name for name in ("GITHUB_REPOSITORY", "GITHUB_TOKEN", "GITHUB_EVENT_PATH") if not os.environ.get(name)]
    if missing:
        print(f"{', '.join(missing)} must be set: run this in a workflow.", file=sys.stderr)
        return 2
    address = os.environ.get("GITHUB_API_URL", "https://api.github.com")
    github = GitHub(address, os.environ["GITHUB_REPOSITORY"], os.environ["GITHUB_TOKEN"])
    event = json.loads(Path(os.environ["GITHUB_EVENT_PATH"]).read_text(encoding="utf-8"))
    try:
        if options.what == "comment":
            print(comment(github, event, folder))
        elif options.what == "issue":
            print(issue(github, folder))
        else:
            print(attach(github, event, folder))
    except httpx.HTTPError as error:
        print(f"GitHub refused the request ({error}): check the job's permissions.", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"{error}.", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
