"""What many tests share: the command line as a function, a small shop's log, the data sets."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from io import BytesIO
from pathlib import Path
from typing import NamedTuple

import pytest

from flows.simulate import SimulateOptions, simulate

ROOT = Path(__file__).resolve().parent.parent
DATA_VARIABLE = "BECKON_DATA"


class Ended(NamedTuple):
    """How a command ended."""

    code: int
    out: str
    err: str


Run = Callable[..., Ended]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--rewrite-golden",
        action="store_true",
        help="make the golden stories say what the engine says now; review the diff",
    )


@pytest.fixture
def run(capfd: pytest.CaptureFixture[str]) -> Run:
    """Runs a `beckon` command line in this process: `run("check", "--config", folder)`."""
    from flows.cli import beckon
    from flows.exits import run_command

    def run_here(*arguments: object) -> Ended:
        capfd.readouterr()
        code = run_command(beckon, [str(argument) for argument in arguments])
        return Ended(code, *capfd.readouterr())

    return run_here


@pytest.fixture(scope="session")
def shop_log() -> Sequence[bytes]:
    """The lines of a small simulated shop: late ones, repeated ones, broken ones among them."""
    events = BytesIO()
    simulate(SimulateOptions(users=150, days=8, seed=5), events)
    return tuple(events.getvalue().splitlines())


@pytest.fixture(scope="session")
def data() -> Callable[[str], Path]:
    """Gives a file of the recorded data sets, or skips the test where they are not at hand."""
    home = Path(os.environ.get(DATA_VARIABLE) or ROOT.parent / "shared" / "data")

    def file(name: str) -> Path:
        if not (home / name).is_file():
            pytest.skip(f"NOT TESTED ON REAL DATA: {home / name} is missing; set {DATA_VARIABLE}")
        return home / name

    return file
