"""The run of the one learner: examples are taken in, what was learned is saved, versions go out.

Saved is one value, position and models together, and a version goes out only after what it knows is
saved. Whatever fails is raised by a step: the run is then dropped with all its memory, and a new
one goes on from what is saved.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

from msgspec import Struct

from config.schema import Config
from connectors.failpoints import failpoint
from connectors.log import ControlRecord, LogReader, LogWriter, Polled
from flows.config_records import config_of
from flows.control_records import LogRecordError, push_to_all
from flows.learn_sealed import UnreadableModelError
from flows.learner_metrics import LearnerMetrics
from flows.learning import Learning, SavedLearning, Taken, load_saved
from flows.model_records import encode_model, version_name
from flows.proving import APART_MAX
from state.learner_store import LearnerStore
from state.store import StoreConflict, StoreError

POLL_EXAMPLES_MAX = 2_000
SAVE_EVERY_MS = 1_000
LOOK_EVERY_MS = 500
CONFIG_EVERY_MS = 2_000
PUBLISH_EVERY_MS = 60_000
"""How often, at most: what was learned is saved, or else the lease renewed; it is looked whether a
version is due; whether another config is in force; a version of a model goes out or is refused."""


class LearnerParts(Struct, frozen=True, kw_only=True):
    """What the run of a learner is made of.

    `reader_from` opens the topic of examples at an offset, `span` says which offsets it has: the
    first and the next. `config` reads the record of the config in force, None before there is one.
    """

    partitions: int
    owner: str
    store: LearnerStore
    reader_from: Callable[[int], LogReader]
    span: Callable[[], tuple[int, int]]
    config: Callable[[], ControlRecord | None]
    writer: LogWriter
    metrics: LearnerMetrics
    tell: Callable[[str], None]


def open_learner(parts: LearnerParts) -> LearnerRun | None:
    """Take the lease and go on from what is saved; None while another learner has it.

    Raises:
        LogRecordError: there is no config yet, or it cannot be read.
        StoreError: what is saved cannot be read, or is of another topic.
        OSError: store or broker cannot be reached.
    """
    if parts.store.acquire(parts.owner):
        return None
    try:
        return LearnerRun(parts, there_must_be(parts.config()))
    except BaseException:
        with suppress(OSError, StoreError):
            parts.store.release(parts.owner)
        raise


def there_must_be(record: ControlRecord | None) -> ControlRecord:
    """The record of the config in force; a LogRecordError where there is none yet."""
    if record is None:
        raise LogRecordError(
            "the log: expected a config, which says what is to be learned, got none yet; "
            "`beckon run` or `beckon config push` brings one"
        )
    return record


class LearnerRun:
    """A run, from what is saved on. `now_ms` is the wall clock throughout."""

    def __init__(self, parts: LearnerParts, record: ControlRecord) -> None:
        self._parts = parts
        self._config_value = record.value
        self._saved = parts.store.load()
        first, self._publish_from = parts.span()
        self._learning = self._resumed(config_of(record), first)
        self._reader = parts.reader_from(self._learning.next_offset)
        self._changed = False
        self._saved_at_ms = self._looked_at_ms = self._config_at_ms = 0
        self._tried_at_ms: dict[str, int] = {}
        self._held: set[str] = set()
        self._lag = 0
        self.heard_at_ms = 0
        parts.metrics.configured(self._learning.names)

    @property
    def next_offset(self) -> int:
        """Up to where the topic of examples was learned from."""
        return self._learning.next_offset

    def poll(self, now_ms: int) -> Polled:
        """What has arrived of the topic; another config that is in force by now comes first."""
        if now_ms - self._config_at_ms >= CONFIG_EVERY_MS:
            self._config_at_ms = now_ms
            self._look_for_config()
            self._look_for_held()
        polled = self._reader.poll(POLL_EXAMPLES_MAX)
        if polled.heard:
            self.heard_at_ms = now_ms
        self._lag = max(polled.end_offset - polled.next_offset, 0)
        return polled

    def apply(self, polled: Polled) -> Taken:
        """Learn from it."""
        self._changed = True
        taken = self._learning.take(polled)
        failpoint("learned")
        return taken

    def settle(self, taken: Taken, now_ms: int) -> None:
        """Save what was learned and publish versions, where it is time to."""
        self._parts.metrics.taken(taken, self._learning.figures(), self._lag)
        for model, alarm in taken.alarms:
            self._parts.tell(
                f"model {model}: its scores have got worse: log loss {alarm.loss_since:.3f}, "
                f"{alarm.loss_before:.3f} before"
            )
        if now_ms - self._saved_at_ms >= SAVE_EVERY_MS:
            self._keep(now_ms)
        if now_ms - self._looked_at_ms >= LOOK_EVERY_MS:
            self._looked_at_ms = now_ms
            self._publish(now_ms)

    def close(self, now_ms: int) -> None:
        """Save what was learned, and leave."""
        try:
            self._keep(now_ms)
            self._parts.store.release(self._parts.owner)
        finally:
            self._reader.close()

    def leave(self) -> None:
        """Leave at once: what was not saved is learned again by the next run."""
        self._reader.close()
        with suppress(OSError, StoreError):
            self._parts.store.release(self._parts.owner)

    def _resumed(self, config: Config, first: int) -> Learning:
        learning = Learning(config, self._parts.partitions)
        if self._saved is None:
            return learning
        saved = saved_of(self._saved)
        check_saved(saved, self._parts.partitions, self._publish_from)
        self._tell_anew(learning.resume(saved, config))
        if saved.next_offset < first:
            learning.next_offset = first
            self._parts.tell(
                f"{first - saved.next_offset:,} examples are gone from their topic that were not "
                "learned yet; going on behind them"
            )
        return learning

    def _look_for_config(self) -> None:
        record = self._parts.config()
        if record is None or record.value == self._config_value:
            return
        config = config_of(record)
        self._config_value = record.value
        self._tell_anew(self._learning.change(config))
        self._parts.metrics.configured(self._learning.names)
        self._changed = True

    def _tell_anew(self, models: list[str]) -> None:
        for model in models:
            self._parts.tell(f"model {model}: learned anew: its examples or terms are others now")

    def _keep(self, now_ms: int) -> None:
        """Save what has changed, or renew the lease."""
        self._saved_at_ms = now_ms
        if self._changed:
            value = self._learning.save()
            self._parts.store.save(self._parts.owner, self._saved, value)
            self._saved, self._changed = value, False
            return
        if self._parts.store.acquire(self._parts.owner):
            raise StoreConflict(
                "learner",
                expected="to keep the lease",
                got="another learner that has it",
                fix="this one waits",
            )
        self._parts.store.check(self._saved)

    def _publish(self, now_ms: int) -> None:
        """Put the versions into the log that are due; those that an operator holds stay back.

        None is before the learner has come to where the topic ended when it began: a version in
        force may know more than it does until then.
        """
        if self._learning.next_offset < self._publish_from:
            return
        due = [
            (model, version)
            for model, version in self._learning.unpublished()
            if now_ms - self._tried_at_ms.get(model, 0) >= PUBLISH_EVERY_MS
            and model not in self._held
        ]
        if not due:
            return
        self._look_for_held()
        self._keep(now_ms)
        failpoint("saved")
        for model, version in due:
            if model in self._held:
                continue
            self._tried_at_ms[model] = now_ms
            if fault := self._learning.fault_of(model, version):
                self._refuse(model, version, fault)
                continue
            value = encode_model(model, version)
            push_to_all(self._parts.writer, self._parts.partitions, "model", value)
            failpoint("published")
            self._learning.note_published(model, version)
            self._changed = True
            self._parts.tell(f"model {model}: version {version_name(version)} published")
            self._parts.metrics.published(model, now_ms)

    def _refuse(self, model: str, version: bytes, fault: str) -> None:
        """Leave the version before it in force; what is learned by the next one may mend it."""
        self._parts.metrics.refused(model)
        self._parts.tell(
            f"model {model}: version {version_name(version)} not published: expected scores within "
            f"{APART_MAX:g} of River's, got another: {fault}; the version before it stays in "
            "force. If this comes again: delete the directory of compiled code (BECKON_CACHE) and "
            "start the learner again, then go back to the Beckon that ran before"
        )

    def _look_for_held(self) -> None:
        """Note the models that an operator holds; what they know goes out once they are resumed."""
        held = self._parts.store.held()
        self._held = {model for model in self._learning.names if model in held}
        self._parts.metrics.held({model: model in self._held for model in self._learning.names})
        for model in self._held:
            self._changed |= self._learning.note_overruled(model)


def saved_of(value: bytes) -> SavedLearning:
    """What was saved; a StoreError says what to do where it cannot be read."""
    try:
        return load_saved(value)
    except UnreadableModelError as error:
        raise StoreError(
            "learner",
            expected="what a learner of this version of Beckon saved",
            got=str(error),
            fix="run the version that saved it; or delete the key {PREFIX:learner}:state, and all "
            "that the topic of examples still has is learned again",
        ) from error


def check_saved(saved: SavedLearning, partitions: int, end: int) -> None:
    """Refuse what was learned of a log with other partitions, or of another topic."""
    fix = (
        "give the URL and the prefix that belong together; or delete the key "
        "{PREFIX:learner}:state, and all that the topic of examples has is learned again"
    )
    if saved.partitions != partitions:
        expected = f"a log of {saved.partitions} partitions, whose examples were learned"
        raise StoreError("learner", expected=expected, got=f"one of {partitions}", fix=fix)
    if saved.next_offset > end:
        expected = f"examples up to offset {saved.next_offset:,}, which were learned"
        raise StoreError("learner", expected=expected, got=f"a topic up to {end:,}", fix=fix)
