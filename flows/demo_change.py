"""The demo's "what if": one threshold of a config folder changed, and whom that changes."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import msgspec
from msgspec import Struct

from config.init import write_defaults
from config.load import load
from config.schema import Config
from connectors.triggers import SUPPRESSED, TRIGGER
from flows.demo_scenes import CUSTOMER, person
from flows.moments import Moments
from flows.told import Decision, decision, event_type, told

DECISIONS = "decisions.jsonl"
EXAMPLE_STAGES_MAX = 2


class Change(Struct, frozen=True, kw_only=True):
    """A threshold of a file of the config folder, and the value it is given."""

    file: str
    threshold: str
    value: int


class Changed(Struct, frozen=True, kw_only=True):
    """A config folder with a change made to it, and the value that stood there."""

    config: Config
    change: Change
    value_before: str


class Side(Struct, frozen=True, kw_only=True):
    """What became of one stage: when, and told."""

    when: str
    told: str


class Example(Struct, frozen=True, kw_only=True):
    """A user for whom something changed: stages as they were before and after."""

    user: str
    who: str
    stages: tuple[tuple[Side, Side], ...]


class Difference(Struct, frozen=True, kw_only=True):
    """What a change does to the triggers of a log."""

    before: int
    lost: int
    gained: int
    after: int
    example: Example | None


class DecisionHead(Struct):
    """What of a decision's line tells it apart, what it is and whose."""

    id: str
    type: str
    subject: str


decision_head = msgspec.json.Decoder(DecisionHead)


def changed_config(folder: Path, change: Change) -> Changed:
    """The default config in a new `folder`, with one line of one file changed."""
    write_defaults(folder)
    file = folder / change.file
    line = re.compile(rf"^({change.threshold}\s*=\s*)(\S+)", re.MULTILINE)
    text = file.read_text()
    found = line.findall(text)
    assert len(found) == 1, f"{change.file} has one line for {change.threshold}"
    file.write_text(line.sub(rf"\g<1>{change.value}", text))
    return Changed(config=load(folder), change=change, value_before=found[0][1])


def difference(before: Path, after: Path, configs: tuple[Config, Config]) -> Difference:
    """What is sent in the outputs of one run (a folder) and not in those of the other.

    `configs`: the configs of both. A trigger has the same id in both, as it names the user, the
    journey, the instance and the stage.
    """
    then, now = (_triggers(folder / DECISIONS) for folder in (before, after))
    lost = {name: user for name, user in then.items() if name not in now}
    gained = {name: user for name, user in now.items() if name not in then}
    user = _example_user(lost, gained)
    return Difference(
        before=len(then),
        lost=len(lost),
        gained=len(gained),
        after=len(now),
        example=None if user is None else _example(user, (before, after), configs),
    )


def _triggers(path: Path) -> dict[str, str]:
    """The users of the triggers in a file of decisions, by the triggers' ids."""
    with path.open("rb") as lines:
        heads = map(decision_head.decode, lines)
        return {head.id: head.subject for head in heads if head.type == TRIGGER}


def _example_user(lost: dict[str, str], gained: dict[str, str]) -> str | None:
    """The first user with a name who lost one trigger and so gained one; else the first of all."""
    counts: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    for side, triggers in enumerate((lost, gained)):
        for user in triggers.values():
            counts[user][side] += 1
    users = sorted(counts, key=lambda user: (CUSTOMER.fullmatch(user) is None, user))
    both = [user for user in users if counts[user] == [1, 1]]
    return next(iter(both or users), None)


def _example(user: str, folders: tuple[Path, Path], configs: tuple[Config, Config]) -> Example:
    before, after = (dict(_stages(folder / DECISIONS, user)) for folder in folders)
    differing = [
        (before[stage], after[stage])
        for stage in before
        if stage in after and before[stage].type != after[stage].type
    ]
    return Example(
        user=user,
        who=person(user),
        stages=tuple(
            (_side(one, configs[0]), _side(other, configs[1]))
            for one, other in differing[:EXAMPLE_STAGES_MAX]
        ),
    )


def _stages(path: Path, user: str) -> Iterator[tuple[tuple[object, ...], Decision]]:
    """A user's decisions by what they are about."""
    subject = b'"subject":%s,' % msgspec.json.encode(user)
    with path.open("rb") as lines:
        for line in lines:
            if subject in line and event_type.decode(line).type in (TRIGGER, SUPPRESSED):
                decided = decision.decode(line)
                data = decided.data
                yield (data.journey, data.stage, data.instance), decided


def _side(decided: Decision, config: Config) -> Side:
    at = datetime.fromisoformat(decided.time)
    when = Moments(config.shop.zone, at).day_and_time(at)
    return Side(when=when, told=str(told(decided, config)))
