"""The picture of a simulation, and the page that shows it."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import click
import pytest

from flows.cli import beckon
from flows.simulate import Simulated, SimulateOptions, Traffic
from flows.simulate_chart import BAR, BAR_COLUMNS, ROWS_MAX, traffic_chart
from flows.simulate_days import (
    CAMPAIGN_DAYS,
    CAMPAIGN_LIFT,
    CAMPAIGN_ORDERS,
    CHANGES,
    Campaign,
    Change,
)
from tests.conftest import ROOT, Run

PAGE = (ROOT / "docs" / "simulate.md").read_text()


def chart(
    days: int, campaigns: tuple[Campaign, ...] = (), changes: tuple[Change, ...] = ()
) -> list[str]:
    """The picture of a shop that grows by ten messages a day."""
    traffic = [Traffic(messages=10 * number, orders=number) for number in range(1, days + 1)]
    options = SimulateOptions(users=9, days=days, seed=1, campaigns=campaigns, changes=changes)
    return traffic_chart(options, Simulated(counts={}, days=traffic))


def option_rows(page: str) -> dict[str, str]:
    """The options of the page's table, with what is said of them in the last column."""
    section = page.split("\n## Options\n", 1)[1].split("\n#", 1)[0]
    rows = re.findall(r"^\| `(--[\w-]+)` \| .* \| (.+) \|$", section, re.MULTILINE)
    return dict(rows)


def test_the_picture_on_the_page_is_what_its_command_prints(run: Run, tmp_path: Path) -> None:
    command = re.findall(r"```sh\nbeckon (simulate .*)\n```", PAGE)[0]
    picture = re.findall(r"```text\n(.*?)```", PAGE, re.DOTALL)[0]
    true_line = re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)[0]
    arguments = shlex.split(command.replace("events.jsonl", str(tmp_path / "events.jsonl")))
    ended = run(*arguments, "--truth", tmp_path / "truth.jsonl")
    assert ended.code == 0, ended.err
    assert true_line in (tmp_path / "truth.jsonl").read_text()
    assert ended.out.endswith(picture)
    assert max(map(len, picture.splitlines())) <= 80


def test_a_terminal_that_knows_only_ascii_gets_the_picture_with_other_bars(tmp_path: Path) -> None:
    arguments = ("simulate", "--users", "20", "--days", "3", "--out", str(tmp_path / "events"))
    program = "from flows.cli import main; main()"
    ended = subprocess.run(
        [sys.executable, "-c", program, *arguments],
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "ascii"},
        capture_output=True,
        check=True,
    )
    assert re.search(rb"\n   1  Thu 01 Jan +\d+ \?+ +\d+\n", ended.stdout)


def test_every_option_stands_on_the_page_with_what_holds_without_it() -> None:
    options = [one for one in beckon.commands["simulate"].params if isinstance(one, click.Option)]
    said = option_rows(PAGE)
    assert sorted(said) == sorted(max(option.opts, key=len) for option in options)
    rates = SimulateOptions(users=1, days=1, seed=1).rates
    for option in options:
        default = getattr(rates, option.name or "", option.default)
        if isinstance(default, int | float) and not isinstance(default, bool):
            assert said[max(option.opts, key=len)] == f"{default:g}"


def test_the_page_says_what_campaigns_and_changes_multiply() -> None:
    for what, factors in CHANGES.items():
        row = re.search(rf"^\| `{what}` \|.*$", PAGE, re.MULTILINE)
        assert row, what
        for factor in factors:
            assert factor == 1 or f"{factor:g} times" in row[0], (what, factor)
    campaigns = PAGE.split("### Campaigns", 1)[1].split("\n##", 1)[0]
    for number in (CAMPAIGN_DAYS, CAMPAIGN_LIFT, CAMPAIGN_ORDERS):
        assert f" {number:g}" in campaigns


@pytest.mark.parametrize("days", [1, 30, 35, 36, 245, 246, 3660])
def test_the_picture_fits_a_screen_whatever_is_simulated(days: int) -> None:
    campaigns = tuple(Campaign(day=day, days=1) for day in range(1, min(days, 50) + 1))
    changes = tuple(Change(day=1, what=what) for what in CHANGES)
    lines = chart(days, campaigns=campaigns, changes=changes)
    assert len(lines) <= ROWS_MAX + 2
    assert max(map(len, lines)) <= 80
    assert max(line.count(BAR) for line in lines) == BAR_COLUMNS


def test_each_day_has_its_date_its_bar_and_what_was_special() -> None:
    lines = chart(
        30, campaigns=(Campaign(day=20, days=2),), changes=(Change(day=21, what="viral"),)
    )
    assert len(lines) == 31
    assert lines[15].split() == ["15", "Thu", "15", "Jan", "150", BAR * 11, "15"]
    assert [line.endswith("  campaign") for line in lines].index(True) == 20
    assert lines[21].endswith("  campaign, viral")
    assert not lines[22].endswith("l")


def test_weeks_show_their_average_day_so_that_a_short_last_one_compares() -> None:
    lines = chart(36, campaigns=(Campaign(day=9, days=1),))
    assert lines[0] == "each row is the average day of 7"
    assert lines[2].split()[:3] == ["1", "2026-01-01", "40.0"]
    assert lines[3].endswith("  campaign")
    assert lines[7].split() == ["36", "2026-02-05", "360.0", BAR * BAR_COLUMNS, "36.0"]
