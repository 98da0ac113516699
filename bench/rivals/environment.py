"""The Python that Quix Streams runs on: an environment of its own, made once, outside the project.

Quix Streams 3.28 wants `confluent-kafka` below 2.13 and much else beside it; in one environment
with Beckon it would decide which client Beckon is measured with.
"""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from zlib import crc32

from bench.measure import run

REQUIREMENTS = Path(__file__).with_name("quix.txt")


def quix_python() -> Path:
    """Its interpreter; made with pip from `bench/rivals/quix.txt` where it is not there yet.

    Raises:
        BenchError: it cannot be made, as where no package index can be reached.
    """
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "beckon-bench"
    digest = crc32(REQUIREMENTS.read_bytes())
    folder = cache / f"quix-{sys.version_info.major}.{sys.version_info.minor}-{digest:08x}"
    done = folder / "complete"
    if not done.exists():
        cache.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(folder, ignore_errors=True)
        run(sys.executable, "-m", "venv", str(folder))
        pip = (str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet")
        run(*pip, "--requirement", str(REQUIREMENTS))
        done.touch()
    return folder / "bin" / "python"
