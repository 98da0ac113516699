"""What is compiled before an engine takes a partition."""

from __future__ import annotations

import subprocess
import sys

COLD = """
from flows import partition, profiles, decisions
from flows.warming import warm_up
warm_up()
for module in (partition, profiles, decisions):
    for name, value in vars(module).items():
        if hasattr(value, "py_func") and not value.signatures:
            print(name)
"""


def test_a_warm_engine_compiles_nothing_while_it_owns_a_partition() -> None:
    told = subprocess.run(
        [sys.executable, "-c", COLD], check=True, capture_output=True, timeout=600, text=True
    )
    assert told.stdout == ""
