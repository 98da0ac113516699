"""Planting a fault: a copy of the project with one place of one module changed, and a test on it.

Compiled functions run as plain Python there: compiling a changed copy would take a minute, a story
takes a tenth of a second. So nothing here says anything about numba, only about the tests.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from msgspec import Struct

ROOT = Path(__file__).resolve().parent.parent
COPIED = ("config", "connectors", "state", "flows", "tests")
SECONDS_MAX = 300
PLAIN = "\n\nfrom tests.plain import compiled, inlined, prefetch\n"
"""What `config/jit.py` ends with in a copy, so that nothing is compiled."""


class Fault(Struct, frozen=True, kw_only=True):
    """One planted fault: in `module`, `sound` (which stands there once) becomes `broken`.

    `caught_by` is the test that must fail then, as pytest names it.
    """

    name: str
    module: str
    sound: str
    broken: str
    caught_by: str


def copy_project(target: Path) -> Path:
    """A copy of the sources, tests and default configuration in `target`, with nothing compiled."""
    for folder in COPIED:
        shutil.copytree(
            ROOT / folder, target / folder, ignore=shutil.ignore_patterns("__pycache__")
        )
    with (target / "config" / "jit.py").open("a") as file:
        file.write(PLAIN)
    return target


def plant(fault: Fault, project: Path) -> None:
    """Change the one place in `project` that the fault names."""
    path = project / fault.module
    source = path.read_text()
    found_count = source.count(fault.sound)
    assert found_count == 1, (
        f"{fault.module}: expected {fault.sound!r} once, got {found_count} times"
    )
    path.write_text(source.replace(fault.sound, fault.broken))


def run_tests(project: Path, *tests: str) -> subprocess.CompletedProcess[str]:
    """Run `tests` of a copy of the project."""
    command = [sys.executable, "-m", "pytest", "-q", "-rfE", "--tb=line", "-W", "ignore"]
    for plugin in ("cacheprovider", "xdist", "hypothesispytest"):
        command += ["-p", f"no:{plugin}"]  # each takes longer to start than a story takes
    environment = {name: value for name, value in os.environ.items() if "PYTEST" not in name}
    environment |= {
        "BECKON_CACHE": str(project / "cache"),
        "COLUMNS": "1000",
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    return subprocess.run(
        [*command, "--rootdir", str(project), *tests],
        cwd=project,
        env=environment,
        capture_output=True,
        text=True,
        timeout=SECONDS_MAX,
        check=False,
    )
