"""Learning beside the replay of a range: what closed in any partition is learned at whole hours."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from msgspec.structs import replace

from config.limits import HOUR_MS
from flows.examples import ClosedExamples
from flows.feed import Feed
from flows.range_parts import Beginning, Part
from flows.resuming import LEARNER_PARTITION, learning_of
from flows.score_sums import ScoreSums
from state.store import Commit, StoreError


class RangeLearning:
    """The models of the config that a range is replayed with, and how good they are.

    Raises:
        StoreError: the state is of a run that did not learn, or has what cannot be read.
    """

    def __init__(self, beginning: Beginning, parts: Sequence[Part]) -> None:
        assert beginning.config is not None, "who learns in a range is given a config"
        learner = parts[LEARNER_PARTITION].learner
        if not learner and any(part.engine.checkpoint.clock_ms for part in parts):
            raise StoreError(
                str(beginning.state),
                expected="a state of a replay with --learn",
                got="one that nothing was learned on the way to",
                fix="name a new directory, and replay the log from its beginning",
            )
        self.scores = ScoreSums(beginning.config.models)
        self._learning = learning_of(beginning.config, learner, str(beginning.state))
        self._engines = [part.engine for part in parts]

    def take(self, closed: ClosedExamples) -> None:
        """Examples of a partition have closed."""
        self._learning.take([closed])
        self.scores.take([closed])

    def next_hour(self, feeds: Sequence[Feed]) -> int:
        """The next whole hour up to which examples may have closed in a partition."""
        clock_ms = max(engine.checkpoint.clock_ms for engine in self._engines)
        if self._learning.is_waiting:
            return next_hour_after(clock_ms)
        happens_ms = min(
            *(engine.next_deadline_ms for engine in self._engines),
            *(feed.next_ms for feed in feeds),
        )
        return next_hour_after(max(clock_ms, happens_ms - 1))

    def learn(self) -> None:
        """All partitions have reached an hour: what closed up to it is learned, and in force."""
        for model, version in self._learning.learn():
            for engine in self._engines:
                engine.adopt(model, version)

    def commits(self, commits: Iterable[Commit]) -> list[Commit]:
        """What there is to commit, last the partition that has the learners; all have that then."""
        models = self._learning.records()
        learned = [
            replace(
                commit,
                models=models,
                learner=self._learning.save()
                if commit.checkpoint.partition == LEARNER_PARTITION
                else b"",
            )
            for commit in commits
        ]
        return sorted(learned, key=lambda one: -one.checkpoint.partition)


def next_hour_after(at_ms: int) -> int:
    """The first whole hour that is later.

    >>> next_hour_after(0), next_hour_after(3_600_000 - 1), next_hour_after(3_600_000)
    (3600000, 3600000, 7200000)
    """
    return (at_ms // HOUR_MS + 1) * HOUR_MS
