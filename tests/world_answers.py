"""Random worlds with models of messages, and a log in which users answer what is sent to them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import Any

from config.load import load
from config.schema import Config
from tests import oracle
from tests.oracle_outputs import text_of
from tests.oracle_profile import Document
from tests.oracle_scores import models_of
from tests.reference_decoder import Event, decode
from tests.world_configs import write_config
from tests.world_events import DAY_MS, HOUR_MS, MINUTE_MS, write_model_log
from tests.world_versions import adoptions_of
from tests.world_withheld import instant_of, with_withheld
from tests.worlds import Given, GivenModels, with_versions

ANSWERS = ("Message Answered", "Message Shared")
REACH = ("1h", "5h", "1d", "3d")
EVENTS = "".join(f'\n["{name}"]\nfields = {{ trigger = "trigger_id" }}\n' for name in ANSWERS)
DELAYS_MS = (0, 1, 999, 1_000, 1_001, MINUTE_MS, HOUR_MS - 1, HOUR_MS, 3 * HOUR_MS, DAY_MS)


def make_answer_world(seed: int, directory: Path) -> GivenModels:
    """The world of one seed; of every other its log says that some triggers were not sent.

    The others have versions that come into force.
    """
    write_config(seed, directory, models=True)
    random = Random(f"answers {seed}")
    write_models(random, directory)
    write_eager(random, directory)
    config = load(directory)
    lines, models = write_model_log(seed, config), models_of(config, directory)
    given = Given(directory, config, models, lines, random.choice((0, HOUR_MS, 6 * DAY_MS)))
    events, triggers = played(given)
    lines = with_answers(config, lines, events, triggers, random)
    events = decode(lines, config).events
    adopted = [] if seed % 2 else adoptions_of(seed, config, events)
    given = given._replace(
        lines=with_withheld(lines, events, triggers, random) if seed % 2 else lines
    )
    return with_versions(given, adopted)


def write_models(random: Random, directory: Path) -> None:
    """Adds one or two models of messages to those of a folder, and the events that answer them."""
    with (directory / "events.toml").open("a") as events:
        events.write(EVENTS)
    with (directory / "models.toml").open("a") as models:
        for number in range(random.choice((1, 2))):
            outcome = json.dumps(random.sample(ANSWERS, random.choice((1, 2))))
            within, channel = random.choice(REACH), random.choice(("email", "push"))
            models.write(
                f'"reply_{number}" = {{ outcome = {outcome}, within = "{within}", '
                f'channel = "{channel}", default = 0.3, sets = ["first"] }}\n'
            )


def write_eager(random: Random, directory: Path) -> None:
    """Adds a journey that writes to nearly everybody who adds something, several times."""
    channels = json.dumps(random.choice((["email"], ["push", "email"], ["email", "push"])))
    stages = "".join(
        f'[stage.s{number}]\nafter = "{after}"\nsend = "m"\nttl = "1d"\n'
        for number, after in enumerate(random.choice((("0s",), ("0s", "10m", "3h"), ("30m", "1h"))))
    )
    (directory / "journeys" / "eager.toml").write_text(
        'about = "Writes often."\nstatus = "live"\npurpose = "marketing"\npriority = 90\n'
        f"channels = {channels}\nholdout = {random.choice((0, 0, 0.3))}\n"
        '[entry]\nevent = "Product Added"\nkey = "cart_id"\n'
        f'reentry = "reset"\ncooldown = "{random.choice(("1s", "10m"))}"\n{stages}'
    )


def played(given: Given) -> tuple[list[Event], list[Document]]:
    """The events of a world, and the triggers that come of them without any version."""
    decoded = decode(given.lines, given.config)
    world = oracle.run(given.config, decoded.events, clock_ms=decoded.clock_ms, models=given.models)
    return decoded.events, [one for one in world.decisions if one["type"] == "beckon.trigger"]


def with_answers(
    config: Config,
    lines: Sequence[bytes],
    events: Sequence[Event],
    triggers: Sequence[Document],
    random: Random,
) -> list[bytes]:
    """The log with answers to its triggers in it: in time, late, too late, and to others."""
    edges = [model.within_ms for model in config.models if model.channel]
    placed: list[tuple[int, bytes]] = []
    for number, trigger in enumerate(triggers):
        for again in range(random.choice((0, 1, 1, 2))):
            edge = random.choice(edges) + random.choice((-1_000, -1, 0, 1, 500, 999, 1_000))
            delay = random.choice((*DELAYS_MS, edge))
            log_ms = instant_of(trigger) + delay
            at_ms = log_ms - random.choice((0, 0, 1, delay, min(500, delay), delay + 1))
            message = answer(trigger, random) | {
                "messageId": f"answer {number} {again}",
                "timestamp": text_of(at_ms),
                "receivedAt": text_of(log_ms),
            }
            later = (event.offset for event in events if event.log_ms >= log_ms)
            placed.append((next(later, len(lines)), json.dumps(message).encode()))
    found = list(lines)
    for at, line in reversed(sorted(placed, key=lambda pair: pair[0])):
        found.insert(at, line)
    return found


def answer(trigger: Document, random: Random) -> dict[str, Any]:
    """A message that names a trigger; now and then of somebody else, or with another text."""
    named = str(trigger["id"])
    if random.random() < 0.1:
        named = random.choice((named.upper(), named[:-1], named + "0", "", "0" * 32))
    user = str(trigger["subject"])
    return {
        "type": "track",
        "userId": random.choice(("u1", "u2")) if random.random() < 0.1 else user,
        "event": random.choice(ANSWERS),
        "properties": {"trigger_id": named} if random.random() < 0.95 else {},
    }
