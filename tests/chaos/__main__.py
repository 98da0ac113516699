"""`make chaos`: hundreds of ends of every kind, each judged by a replay of its log; prints a table.

python -m tests.chaos [--times 20] [--seed 1] [kind ...]
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

from tests.chaos.kinds import Act, kinds
from tests.chaos.nursery import Nursery
from tests.chaos.verdict import Verdict
from tests.chaos.world import World
from tests.servers import kafka_server, redis_server

COLUMNS = ("times", "seconds", "records", "users", "triggers", "withheld", "examples", "versions")
JUDGED = ("lost", "twice", "foreign", "out_of_order", "sent_late", "rows_differing")
QUICK = ("killed", "learner", "model", "reply", "poison")
SLOW = 4
"""Kinds that do not begin like this take longer: they are done so many times less."""


def main(arguments: Sequence[str]) -> int:
    """Run kinds and print their table; 1 when anything was wrong."""
    parser = argparse.ArgumentParser("python -m tests.chaos", description=__doc__)
    parser.add_argument("--times", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("kinds", nargs="*", help="all that begin like this (default: all)")
    told = parser.parse_args(arguments)
    heads = ("kind", *COLUMNS, *(name.replace("_", " ") for name in JUDGED), "else")
    print(f"| {' | '.join(heads)} |\n|{'---|' * len(heads)}", flush=True)
    good = True
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="beckon-chaos-")))
        broker = stack.enter_context(kafka_server())
        nursery = stack.enter_context(Nursery())
        for name, kind in kinds().items():
            if told.kinds and not name.startswith(tuple(told.kinds)):
                continue
            times = told.times if name.startswith(QUICK) else max(1, told.times // SLOW)
            random = Random(f"{told.seed} {name}")
            with redis_server() as redis:
                world = World(broker, redis, nursery, folder)
                good &= told_of(name, kind, world, (random, times))
    return 0 if good else 1


def told_of(name: str, kind: Act, world: World, how: tuple[Random, int]) -> bool:
    """Do it and print its line of the table; whether all went well."""
    began_at = time.monotonic()
    try:
        times = kind(world, *how)
        found = world.finish()
    except AssertionError as error:
        print(f"| {name} | FAILED: {error} |", flush=True)
        return False
    print(line_of(name, times, time.monotonic() - began_at, found), flush=True)
    if found.wrong():
        print(world.tail(), file=sys.stderr)
    return not found.wrong()


def line_of(name: str, times: int, seconds: float, found: Verdict) -> str:
    """A line of the table."""
    others = {what: count for what, count in found.wrong().items() if what not in JUDGED}
    numbers = [times, round(seconds), found.records, found.users]
    numbers += [found.triggers, found.withheld, found.examples, found.versions]
    numbers += [int(getattr(found, column)) for column in JUDGED]
    rest = " ".join(f"{what}={count}" for what, count in others.items()) or "-"
    return f"| {name} | {' | '.join(f'{number:,}' for number in numbers)} | {rest} |"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
