"""Faults planted one at a time into a copy of the project: a named test notices each of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.faults import Fault, copy_project, plant, run_tests

FAULTS = (
    Fault(
        name="a commit on another checkpoint is taken",
        module="state/store.py",
        sound="    if commit.previous == stored:\n",
        broken="    if True:\n",
        caught_by="tests/test_store_contract.py::"
        "test_a_commit_on_another_checkpoint_is_refused_and_changes_nothing",
    ),
    Fault(
        name="a torn commit counts",
        module="state/frames.py",
        sound="len(payload) < length or checksum != ",
        broken="len(payload) < length and checksum != ",
        caught_by="tests/test_file_store.py::"
        "test_a_byte_changed_anywhere_in_the_last_commit_undoes_it_and_nothing_else",
    ),
)


def test_without_a_fault_all_these_tests_pass(tmp_path: Path) -> None:
    project = copy_project(tmp_path)
    result = run_tests(project, *sorted({fault.caught_by for fault in FAULTS}))
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name.replace(" ", "-"))
def test_a_planted_fault_is_caught(fault: Fault, tmp_path: Path) -> None:
    project = copy_project(tmp_path)
    plant(fault, project)
    result = run_tests(project, fault.caught_by)
    # Exit code 1 is "tests failed"; a fault that only breaks the collection of tests would be no fault.
    assert result.returncode == 1, result.stdout + result.stderr
    assert f"FAILED {fault.caught_by}" in result.stdout
