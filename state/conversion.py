"""What a change of the configuration made of rows: what is new, what is gone, what was dropped."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct
from msgspec.structs import replace

from state.row_shape import RowShape, TagCells

NAMES_TOLD_MAX = 3


class Conversion(Struct, frozen=True, kw_only=True):
    """What became of the rows: names that are new and gone, and pending stages that were dropped.

    `dropped` counts, by journey, the instances whose journey or pending stage is gone; `examples`,
    by model, the open examples that are gone because the model is, or is another one.
    """

    features_new: tuple[str, ...]
    features_gone: tuple[str, ...]
    tags_new: tuple[str, ...]
    tags_gone: tuple[str, ...]
    journeys_new: tuple[str, ...]
    journeys_gone: tuple[str, ...]
    dropped: dict[str, int]
    examples: dict[str, int] = {}


def conversion_between(old: RowShape, new: RowShape, dropped: list[int]) -> Conversion:
    """What differs between two shapes; `dropped` counts instances by the old one's journeys."""
    features = [(cells.feature.name, cells.feature) for cells in old.features]
    new_features = [(cells.feature.name, cells.feature) for cells in new.features]
    tags, new_tags = [tag_key(tag) for tag in old.tags], [tag_key(tag) for tag in new.tags]
    journeys = [journey.name for journey in old.journeys]
    new_journeys = [journey.name for journey in new.journeys]
    return Conversion(
        features_new=tuple(one[0] for one in new_features if one not in features),
        features_gone=tuple(one[0] for one in features if one not in new_features),
        tags_new=tuple(one[0] for one in new_tags if one not in tags),
        tags_gone=tuple(one[0] for one in tags if one not in new_tags),
        journeys_new=tuple(name for name in new_journeys if name not in journeys),
        journeys_gone=tuple(name for name in journeys if name not in new_journeys),
        dropped={name: count for name, count in zip(journeys, dropped, strict=True) if count > 0},
    )


def together(conversions: Sequence[Conversion]) -> Conversion:
    """The conversions of several partitions, from one shape to one other, as one."""
    return replace(
        conversions[0],
        dropped=_added_up([one.dropped for one in conversions]),
        examples=_added_up([one.examples for one in conversions]),
    )


def told(conversion: Conversion) -> str:
    """A conversion in words.

    >>> told(
    ...     Conversion(
    ...         features_new=("pages_7d",),
    ...         features_gone=("a", "b", "c", "d"),
    ...         tags_new=(),
    ...         tags_gone=(),
    ...         journeys_new=(),
    ...         journeys_gone=("win_back",),
    ...         dropped={"win_back": 1200},
    ...     )
    ... )
    'features: 1 new (pages_7d), 4 gone (a, b, c, ...); journeys: 1 gone (win_back); \
pending stages dropped: 1,200 of win_back'
    """
    parts = []
    for kind in ("features", "tags", "journeys"):
        changes = [
            f"{len(names)} {what} ({', '.join(_some(names))})"
            for what in ("new", "gone")
            if (names := getattr(conversion, f"{kind}_{what}"))
        ]
        if changes:
            parts.append(f"{kind}: {', '.join(changes)}")
    for what, dropped in (
        ("pending stages", conversion.dropped),
        ("open examples", conversion.examples),
    ):
        if dropped:
            counts = [f"{count:,} of {name}" for name, count in dropped.items()]
            parts.append(f"{what} dropped: {', '.join(counts)}")
    return "; ".join(parts) or "in another order"


def tag_key(tag: TagCells) -> tuple[str, bool]:
    """What a tag is known again by: a group that became a tag is another one."""
    return tag.name, tag.is_group


def _added_up(parts: Sequence[dict[str, int]]) -> dict[str, int]:
    names = dict.fromkeys(name for part in parts for name in part)
    return {name: sum(part.get(name, 0) for part in parts) for name in names}


def _some(names: tuple[str, ...]) -> list[str]:
    return [*names[:NAMES_TOLD_MAX], *(["..."] if len(names) > NAMES_TOLD_MAX else [])]
