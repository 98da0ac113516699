"""The demo: a simulated shop in three acts, each of them a real run, each of them checked."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import click
from msgspec import Struct
from msgspec.structs import replace

from config.load import load
from connectors.files import output
from flows.console import collect_seldom, note_compiling
from flows.demo_acts import Resumed, Setting, Whole, play_changed, play_resumed, play_whole
from flows.demo_blocks import (
    checks_block,
    difference_block,
    digests_block,
    scenes_block,
    sums_block,
)
from flows.demo_change import Change, Difference, changed_config, difference
from flows.demo_interrupts import LEAVE_SCREEN, SHOW_CURSOR, Interrupts, interrupts
from flows.demo_live import FRAME_SECONDS, Examples, Progress, Showing
from flows.demo_screen import at_terminal, line_below, whole_screen
from flows.exits import DONE, PROBLEMS
from flows.replay import BATCH_SIZE, Watch, unwatched
from flows.simulate import SimulateOptions, simulate

REHEARSAL = SimulateOptions(users=100, days=3, seed=1)
REHEARSAL_STOPS = 2


class Play(Struct, frozen=True, kw_only=True):
    """What is played.

    A shop of so many users over so many days. At a terminal the first act lasts `seconds`; the
    second has so many stops, and the third makes the change.
    """

    users: int
    days: int
    seconds: float
    seed: int = 1
    stops: int = 20
    change: Change = Change(
        file="journeys/abandoned_cart.toml", threshold="min_cart_value", value=40
    )


def run_demo(play: Play, folder: Path) -> int:
    """Play all acts; returns the exit code. What is written to the empty `folder` stays there."""
    with interrupts() as held:
        setting = set_up(play, folder, held)
        whole, first_holds = first_act(play, setting, held)
        second_holds = second_act(play, setting, whole, held)
        user, third_holds = third_act(play, setting, whole, held)
        what_next(setting, user)
    return DONE if first_holds and second_holds and third_holds else PROBLEMS


def set_up(play: Play, folder: Path, held: Interrupts) -> Setting:
    """Compile what is not compiled yet, and simulate the shop."""
    note_compiling()
    with held.leaving_at_once():
        rehearse(held, folder / "rehearsal")
    options = SimulateOptions(users=play.users, days=play.days, seed=play.seed)
    say([f"Simulating a shop of {play.users:,} users over {play.days} days into {folder} ..."])
    setting = new_setting(folder, options, held)
    collect_seldom()
    return setting


def rehearse(held: Interrupts, folder: Path) -> None:
    """A small run of everything that is compiled, so that no act has to wait for it."""
    folder.mkdir()
    setting = new_setting(folder, REHEARSAL, held)
    play_whole(setting, unwatched, BATCH_SIZE)
    play_resumed(setting, REHEARSAL_STOPS, lambda stops: unwatched)
    shutil.rmtree(folder)


def new_setting(folder: Path, options: SimulateOptions, held: Interrupts) -> Setting:
    """The folder with a log to play, and the default config."""
    setting = Setting(
        folder=folder, config=load(None), records=0, seed=options.seed, stop=held.stop
    )
    with output(str(setting.log)) as file:
        simulated = simulate(options, file)
    return replace(setting, records=simulated.counts["messages"])


def first_act(play: Play, setting: Setting, held: Interrupts) -> tuple[Whole, bool]:
    """The log in one go, live at a terminal; then what it came to."""
    if at_terminal():
        batch_size = max(1, round(setting.records / play.seconds * FRAME_SECONDS))
        with held.holding(LEAVE_SCREEN), whole_screen() as screen:
            showing = Showing(screen, setting, play.seconds)
            whole = play_whole(setting, showing.watch, batch_size)
    else:
        examples = Examples(setting)
        with held.holding():
            whole = play_whole(setting, examples.watch, BATCH_SIZE)
    days = f"{play.days} days of {whole.users:,} users"
    say(["", f"1. A shop, live: {days}, {whole.records:,} records, {whole.sent:,} messages"])
    if not at_terminal():
        say(scenes_block(examples.told))
    say(sums_block(whole))
    return whole, told(whole_checks(setting.records, whole))


def second_act(play: Play, setting: Setting, whole: Whole, held: Interrupts) -> bool:
    """The same log again, stopped and resumed; whether it gave the same."""
    say(["", f"2. The same log in other batches, stopped and resumed {play.stops} times"])
    with progress(setting, held) as shown:
        resumed = play_resumed(
            setting, play.stops, lambda stops: shown(f"{stops} of {play.stops} stops")
        )
    say(digests_block(whole, resumed))
    return told(resumed_checks(whole, resumed, play.stops))


def third_act(play: Play, setting: Setting, whole: Whole, held: Interrupts) -> tuple[str, bool]:
    """The log once more with one threshold changed; also gives a user to look at."""
    changed = changed_config(setting.folder / "config", play.change)
    values = f"{play.change.value} instead of {changed.value_before}"
    say(["", f"3. What if {play.change.threshold} were {values}?"])
    after = setting.folder / "what-if"
    after.mkdir()
    with progress(setting, held) as shown:
        other = play_changed(setting, changed.config, after, shown("what if"))
    found = difference(setting.folder, after, (setting.config, changed.config))
    say(difference_block(changed, found))
    user = found.example.user if found.example is not None else "USER"
    return user, told(change_checks(whole, other, found))


def what_next(setting: Setting, user: str) -> None:
    """Three commands to go on with, and where everything is."""
    folder = setting.folder
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    beckon = program()
    say(
        [
            "",
            "Try next:",
            f"   {beckon} init my-config",
            f"   {beckon} show {user} --state {setting.state}",
            f"   {beckon} replay {setting.log} --config my-config",
            "",
            f"The files of this demo are in {folder} ({size / 1e6:,.0f} MB).",
            "Delete the folder when you have seen enough.",
        ]
    )


def whole_checks(records: int, whole: Whole) -> dict[str, bool]:
    """What must hold of the first act."""
    return {
        "every record of the log was read, and messages were sent": whole.records == records
        and whole.sent > 0,
        "planned = sent + not sent + to come, for every journey": not any(
            sums.missing for sums in whole.journeys.values()
        ),
    }


def resumed_checks(whole: Whole, resumed: Resumed, stops: int) -> dict[str, bool]:
    """What must hold of the second act."""
    return {
        f"{resumed.stops} stops, {resumed.users:,} profiles saved": resumed.stops == stops
        and resumed.users == whole.users,
        "the same bytes": resumed.digests == whole.digests,
    }


def change_checks(whole: Whole, other: Whole, found: Difference) -> dict[str, bool]:
    """What must hold of the third act: the files say what the engine counted."""
    return {
        "before - lost + gained = after, as the engine counted": found.before == whole.sent
        and found.after == other.sent
        and found.before - found.lost + found.gained == found.after,
        "the change made a difference": found.lost + found.gained > 0,
    }


def told(checks: Mapping[str, bool]) -> bool:
    """Print checks; whether all of them hold."""
    say(checks_block(checks))
    return all(checks.values())


def say(lines: Sequence[str]) -> None:
    """Print lines."""
    click.echo("\n".join(lines))


@contextmanager
def progress(setting: Setting, held: Interrupts) -> Iterator[Callable[[str], Watch]]:
    """Gives watches that show, at a terminal, how far a run is, behind a label."""
    if not at_terminal():
        with held.holding():
            yield lambda label: unwatched
        return
    with held.holding(SHOW_CURSOR), line_below() as screen:
        yield Progress(screen, setting.records).watch


def program() -> str:
    """How this program is called here: by its name, where that is found."""
    if shutil.which("beckon") is None and Path(sys.argv[0]).name == "beckon":
        return sys.argv[0]
    return "beckon"
