"""The golden stories are told as they were reviewed, whoever tells them; see `tests/golden`.

`pytest tests/test_golden.py --rewrite-golden` makes the files say what the engine says now. It
still fails where the oracle says something else.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from config.load import PACKAGED, load
from tests.golden_story import GOLDEN, STORIES, Golden, golden_of, log_of, play, reviewed, rewrite
from tests.running import run_oracle

FILES = {"story.md", "events.jsonl", "told.txt", "decisions.jsonl"}
BATCH_SIZES = (1, 5_000)
TICK = {"type": "beckon.control", "control": "tick"}
REASONS_SHOWN = {"exit", "expired", "rule", "cooldown", "consent", "priority", "holdout"}
"""What can keep back a message of the default journeys, all of which are live."""


@pytest.fixture
def golden(story: str, tmp_path: Path, request: pytest.FixtureRequest) -> Golden:
    """What the files of a story say, rewritten before where that was asked for."""
    if request.config.getoption("--rewrite-golden"):
        rewrite(story, golden_of(story, play(story, tmp_path, max(BATCH_SIZES))))
    return reviewed(story)


@pytest.mark.parametrize("batch_size", BATCH_SIZES)
@pytest.mark.parametrize("story", STORIES)
def test_a_replay_tells_a_story_as_it_was_reviewed(
    story: str, golden: Golden, batch_size: int, tmp_path: Path
) -> None:
    found = golden_of(story, play(story, tmp_path, batch_size))
    assert found.told.splitlines() == golden.told.splitlines()
    assert found == golden


@pytest.mark.parametrize("story", STORIES)
def test_the_oracle_tells_a_story_as_the_engine_does(story: str, tmp_path: Path) -> None:
    engine = play(story, tmp_path, max(BATCH_SIZES)).world()
    expected = run_oracle(PACKAGED, log_of(story))
    assert engine.decisions == expected.decisions
    assert engine.transitions == expected.transitions
    assert engine.profiles == expected.profiles


@pytest.mark.parametrize("story", STORIES)
def test_every_record_of_a_story_is_usable_and_the_last_is_a_tick(
    story: str, tmp_path: Path
) -> None:
    lines = log_of(story)
    replayed = play(story, tmp_path, max(BATCH_SIZES)).replayed
    assert (replayed.records, replayed.dead_letters) == (len(lines), {})
    assert TICK.items() <= json.loads(lines[-1]).items()


@pytest.mark.parametrize("journey", [journey.name for journey in load().journeys])
def test_every_default_journey_has_a_story_with_entry_exit_sent_and_suppressed(
    journey: str,
) -> None:
    told = [
        {outcome for name, outcome in outcomes_of(story) if name == journey} for story in STORIES
    ]
    assert any("sent" in outcomes and "exit" in outcomes and len(outcomes) > 2 for outcomes in told)


def test_the_stories_show_every_reason_that_keeps_back_a_default_message() -> None:
    shown = {outcome for story in STORIES for _, outcome in outcomes_of(story)}
    assert shown == REASONS_SHOWN | {"sent"}


def test_every_story_has_its_files_and_its_sentence_in_the_readme() -> None:
    folders = [path for path in sorted(GOLDEN.iterdir()) if path.is_dir()]
    assert [folder.name for folder in folders] == list(STORIES)
    assert all({path.name for path in folder.iterdir()} == FILES for folder in folders)
    rows = [f"| [{story}]({story}/story.md) | {sentence_of(story)} |" for story in STORIES]
    page = (GOLDEN / "README.md").read_text()
    assert [line for line in page.splitlines() if line.startswith("| [")] == rows


def outcomes_of(story: str) -> set[tuple[str, str]]:
    """The journeys of a story, each with what became of its stages: "sent" or a reason."""
    documents = [json.loads(line) for line in reviewed(story).decisions.splitlines()]
    stages = [one for one in documents if one["type"] != "beckon.goal"]
    return {(one["data"]["journey"], one["data"].get("reason", "sent")) for one in stages}


def sentence_of(story: str) -> str:
    """The paragraph below the title."""
    return (GOLDEN / story / "story.md").read_text().split("\n\n")[1]
