"""The Pulumi program, the local run, the package and the bill."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

from bench import synth
from bench.figures import Absent, Figure, Rounds
from bench.preview import PreviewError, previewed, seconds
from bench.start import started_in
from local import ROOT
from local.run.chain import running
from local.run.options import Options
from package.build import PackageError, install
from package.contents import package_path

MODULES_USED = """
import sys
from local.program.evaluate import evaluate
from local.program.provider import MockProvider
evaluate("dev", MockProvider("us-east-1"))
print(*(name for name in sys.modules if name.split(".")[0] in ("pulumi", "pulumi_aws", "pulumi_awsx", "pulumi_random")))
"""
EVALUATION = "from local.program.evaluate import main; raise SystemExit(main(['dev']))"
EVALUATION_GOAL = 0.5
GRAPH = "the dev stack under mocks, as a table"
CHECK = "the dev stack under mocks, and its guard rails"
PREVIEW = "pulumi preview of the dev stack, by the engine"
SYNTH_GOAL = 1.0
"""No slower than the peer's user is used to."""


def evaluation(rounds: Rounds) -> Figure:
    """Evaluating the dev stack in a new process, beside importing only the provider modules that it loads."""
    # The provider loads its modules when first touched, so which ones are used is seen in a process that used them.
    used = subprocess.run(  # noqa: S603 - our own code
        [sys.executable, "-c", MODULES_USED], cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout.split()
    bare = f"import importlib\nfor name in {used!r}: importlib.import_module(name)"
    pairs = [(started_in(EVALUATION), started_in(bare)) for _ in rounds("the program under mocks")]
    ours, theirs = zip(*pairs, strict=True)
    what = "the dev stack under mocks, whole process"
    return Figure(what, "s", "importing its provider modules", ours, theirs, goal=EVALUATION_GOAL)


def local_seconds(*arguments: str) -> float:
    """Seconds that a command of `python -m local` takes, from the start of its process to its end."""
    began = time.perf_counter()
    subprocess.run([sys.executable, "-m", "local", *arguments], cwd=ROOT, check=True, capture_output=True)  # noqa: S603
    return time.perf_counter() - began


def synth_seconds(folder: Path, *, validate: bool = False) -> float:
    """Seconds that `cdk synth` takes, likewise."""
    began = time.perf_counter()
    synth.synth(folder / "cdk.out", validate=validate)
    return time.perf_counter() - began


def beside_synth(folder: Path, rounds: Rounds) -> Sequence[Figure | Absent]:
    """The program under mocks and under the engine, beside `cdk synth` of the same system.

    CDK holds the template against CloudFormation's schemas unless told otherwise, which takes longer than all the rest.
    So its synthesis without that stands beside the evaluation alone, and with it beside `local check`, which has the
    guard rails judge the graph.
    """
    try:
        synth_seconds(folder)  # CDK is installed, unpacked and compiled by the first
    except synth.SynthError as error:
        return [Absent(what, str(error)) for what in (GRAPH, PREVIEW, CHECK)]
    return [*evaluated(folder, rounds), checked(folder, rounds)]


def evaluated(folder: Path, rounds: Rounds) -> Iterator[Figure | Absent]:
    """The evaluation and a first preview by the real engine, each beside synthesis alone; the three in turn."""
    graphs, synths, previews = [], [], []
    command, absent = None, None
    with ExitStack() as until_the_end:
        try:
            command = until_the_end.enter_context(previewed(folder / "preview"))
            seconds(command)  # the stack comes to exist in the first
        except PreviewError as error:
            absent = Absent(PREVIEW, str(error))
        for _ in rounds("the graph, cdk synth and a preview"):
            graphs.append(local_seconds("graph", "--stack", "dev"))
            synths.append(synth_seconds(folder))
            if command and not absent:
                previews.append(seconds(command))
    peer = "cdk synth, without validation"
    yield Figure(GRAPH, "s", peer, graphs, synths, goal=SYNTH_GOAL)
    yield absent or Figure(PREVIEW, "s", peer, previews, synths)


def checked(folder: Path, rounds: Rounds) -> Figure:
    """The evaluation with the guard rails, beside synthesis with its validation."""
    pairs = [
        (local_seconds("check", "--stack", "dev"), synth_seconds(folder, validate=True))
        for _ in rounds("the guard rails, and cdk synth with its validation")
    ]
    ours, theirs = zip(*pairs, strict=True)
    return Figure(CHECK, "s", "cdk synth as it comes", ours, theirs, goal=SYNTH_GOAL)


async def up_seconds(folder: Path) -> float:
    """From nothing to a chain that is ready."""
    began = time.perf_counter()
    async with running(Options(folder=folder)):
        return time.perf_counter() - began


def up(folder: Path, rounds: Rounds) -> Figure:
    """`python -m local up`, beside one evaluation of its program."""
    pairs = [
        (asyncio.run(up_seconds(folder / "up")), started_in(EVALUATION)) for _ in rounds("starts of the local chain")
    ]
    ours, theirs = zip(*pairs, strict=True)
    return Figure("local up until the chain is ready", "s", "evaluating the program alone", ours, theirs)


def package() -> Figure | Absent:
    """The package unzipped, beside its pinned requirements installed as they are."""
    what = "the package, unzipped"
    built = subprocess.run(
        [sys.executable, "-m", "package.build"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if built.returncode:
        return Absent(what, built.stderr.strip().splitlines()[-1])
    with tempfile.TemporaryDirectory() as folder:
        try:
            install(Path(folder))
        except PackageError as error:
            return Absent(what, str(error))
        whole = sum(path.stat().st_size for path in Path(folder).rglob("*") if path.is_file())
    with zipfile.ZipFile(package_path()) as archive:
        unzipped = sum(entry.file_size for entry in archive.infolist())
    return Figure(what, "MB", "its requirements without bytecode", [unzipped / 1e6], [whole / 1e6])


def cost(stack: str) -> str:
    """What a thousand conversations of a stack cost, in a sentence."""
    told = subprocess.run(  # noqa: S603 - our own code
        [sys.executable, "-m", "local", "cost", "--stack", stack, "--json"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    bill = json.loads(told.stdout)
    parts = {part["what"]: part["each"] * 1000 for part in bill["parts"]}
    most = max(parts, key=lambda what: parts[what])
    return (
        f"1,000 conversations of the {stack} stack cost about ${sum(parts.values()):.2f}, "
        f"of which ${parts[most]:.2f} are the {most[0].lower()}{most[1:]}, "
        f"by prices read on {bill['pricesReadOn']}; docs/cost.md has the parts."
    )
