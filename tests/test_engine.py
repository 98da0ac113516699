"""The dataflow itself: order, ends and failures, with plain values for slices."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

import pytest

from connectors.columns import Columns
from flows.engine import Stages, run
from flows.slices import Decided, Slice, Stretch, no_records


def numbered(count: int) -> Iterator[Slice]:
    return (Slice(records=no_records(), next_offset=number) for number in range(count))


class Passing:
    """Stages that hand on each slice's number, and fail or skip where they are told to."""

    def __init__(self, *, fail_at: int | None = None, skip: int | None = None) -> None:
        self.seen: list[int] = []
        self._fail_at = fail_at
        self._skip = skip

    def decode(self, piece: Slice) -> Any:
        self.seen.append(piece.next_offset)
        if piece.next_offset == self._fail_at:
            raise OSError(28, "No space left on device", "somewhere")
        return None if piece.next_offset == self._skip else piece

    def stages(self) -> Stages:
        def decided(item: Any) -> Decided:
            stretch = Stretch(
                columns=cast(Columns, None),
                dead_letters=[],
                record_count=cast(Slice, item).next_offset,
                clock_ms=0,
                next_offset=0,
            )
            return Decided(stretch=stretch, lines={})

        return Stages(decode=self.decode, route=lambda stretch: cast(Any, stretch), apply=decided)


def test_every_slice_reaches_every_sink_in_order() -> None:
    first: list[int] = []
    second: list[int] = []
    sinks = {
        "first": lambda decided: first.append(decided.stretch.record_count),
        "second": lambda decided: second.append(decided.stretch.record_count),
    }
    run(numbered(20), Passing(skip=7).stages(), sinks)
    assert first == second == [number for number in range(20) if number != 7]


def test_what_a_stage_raises_is_raised_whole_and_nothing_runs_after_it(
    capfd: pytest.CaptureFixture[str],
) -> None:
    passing = Passing(fail_at=3)
    written: list[int] = []
    with pytest.raises(OSError, match="No space left") as raised:
        run(
            numbered(9),
            passing.stages(),
            {"sink": lambda decided: written.append(decided.stretch.record_count)},
        )
    assert raised.value.filename == "somewhere"
    assert passing.seen == [0, 1, 2, 3]
    assert written == [0, 1, 2]
    assert capfd.readouterr().err == "", "Bytewax must not print its panic"


def test_what_a_sink_or_the_source_raises_is_raised_too() -> None:
    def refuse(decided: Decided) -> None:
        raise BrokenPipeError(32, "Broken pipe")

    def broken_source() -> Iterator[Slice]:
        yield from numbered(2)
        raise FileNotFoundError(2, "No such file or directory", "gone")

    with pytest.raises(BrokenPipeError):
        run(numbered(5), Passing().stages(), {"sink": refuse})
    written: list[Decided] = []
    with pytest.raises(FileNotFoundError):
        run(broken_source(), Passing().stages(), {"sink": written.append})
    assert len(written) == 2
