"""What settles once something has changed: which tags read what, directly or through others."""

from __future__ import annotations

from config.schema import PROPENSITY, Config, EventDef, Feature, Model, Program, Tag

CART_EVENTS = ("Product Added", "Product Removed", "Cart Viewed", "Order Completed")


def with_parts(features: tuple[Feature, ...], wanted: set[int]) -> list[int]:
    """The features `wanted` and the parts of ratios among them, parts before ratios."""
    found = set(wanted)
    for index in range(len(features) - 1, -1, -1):
        if index in found and features[index].kind == "ratio":
            found.update(features[index].over)
    return sorted(found)


def ancestors_of(index: int, tags: tuple[Tag, ...]) -> list[int]:
    """The groups that a tag rolls up to, the nearest first."""
    found = []
    parent = tags[index].parent
    while parent >= 0:
        found.append(parent)
        parent = tags[parent].parent
    return found


def blockers_of(index: int, tags: tuple[Tag, ...]) -> int:
    """Bits of the tags that keep this one from holding: elder siblings in groups that pick one."""
    bits = 0
    for child in [index, *ancestors_of(index, tags)]:
        parent = tags[child].parent
        if parent >= 0 and tags[parent].pick_first:
            bits |= sum(1 << elder for elder in range(child) if tags[elder].parent == parent)
    return bits


def stays_of(affected: list[int], tags: tuple[Tag, ...]) -> list[tuple[int, int]]:
    """Groups among the affected tags, with the bits of tags below them that are not affected."""
    stays = dict.fromkeys((index for index in affected if tags[index].rule is None), 0)
    for index, tag in enumerate(tags):
        if tag.rule is not None and index not in affected:
            for ancestor in ancestors_of(index, tags):
                if ancestor in stays:
                    stays[ancestor] |= 1 << index
    return [(group, bits) for group, bits in stays.items() if bits]


def touched_by(event: EventDef, features: tuple[Feature, ...]) -> set[int]:
    """The features that an event changes, and the propensities that are told from them."""
    touched = {
        index
        for index, feature in enumerate(features)
        if event.name in feature.events or (feature.kind == "cart" and event.name in CART_EVENTS)
    }
    scores = {
        index
        for index, feature in enumerate(features)
        if feature.kind == PROPENSITY and touched & {*with_parts(features, {*feature.over})}
    }
    return touched | scores


def affected_tags(
    touched: set[int], tags: tuple[Tag, ...], features: tuple[Feature, ...]
) -> list[int]:
    """The tags that can turn when these features change.

    By their rules, by tags that their rules read, or as a younger sibling in a group that picks
    the first.
    """
    affected = 0
    for index, tag in enumerate(tags):
        if tag.rule is None:
            continue
        reads = sum(1 << other for other in tag.rule.tags) | blockers_of(index, tags)
        if touched & set(with_parts(features, set(tag.rule.features))) or affected & reads:
            affected |= 1 << index
            for ancestor in ancestors_of(index, tags):
                affected |= 1 << ancestor
    return [index for index in range(len(tags)) if affected >> index & 1]


def told_by_time(model: Model, features: tuple[Feature, ...]) -> bool:
    """Whether time alone can turn a model's `eligible`, or it has none: then it always holds."""
    if model.eligible is None:
        return True
    read = with_parts(features, {*model.eligible.features})
    return any(features[index].window_ms or features[index].kind == "days_since" for index in read)


def scores_read(program: Program | None, config: Config) -> list[int]:
    """The models whose propensity a rule reads, itself or through tags, by index."""
    first = len(config.profile_features)
    features: set[int] = set()
    seen: set[int] = set()
    rules = [program] if program is not None else []
    while rules:
        rule = rules.pop()
        features.update(rule.features)
        tags = with_children({*rule.tags}, config.tags) - seen
        seen |= tags
        rules += [own for tag in tags if (own := config.tags[tag].rule)]
    return sorted(index - first for index in features if index >= first)


def with_children(tags: set[int], all_tags: tuple[Tag, ...]) -> set[int]:
    """These tags, and those of the groups among them."""
    found = set(tags)
    for index, tag in enumerate(all_tags):
        if tag.parent in found:
            found.add(index)
    return found
