"""The part of the plan that says who is sampled when, and what an event means for open examples."""

from __future__ import annotations

from config.schema import Config
from flows import plan_words as words
from flows.plan_list import PlanList
from flows.plan_scores import ScoresWriter
from flows.scopes import with_parts
from state.example_groups import TRIGGER_WORDS, groups_of, sampled_models, snapshot_features


def learned_from(config: Config, event: str, touched: set[int]) -> tuple[int, int]:
    """An event's OUTCOMES and WAKES; `touched` are the features that it changes."""
    outcomes = wakes = 0
    for group, indices in enumerate(sampled_models(config)):
        for bit, index in enumerate(indices):
            model = config.models[index]
            read = set(model.eligible.features) if model.eligible else set()
            outcomes |= int(event in model.outcome) << (words.MODEL_BITS * group + bit)
            if model.every_ms and touched & set(with_parts(config.features, read)):
                wakes |= 1 << group
    return signed(outcomes), wakes


def write_groups(config: Config, plan: PlanList, scores: ScoresWriter) -> None:
    """Append the table of groups."""
    groups = zip(sampled_models(config), groups_of(config), strict=True)
    records: list[int] = []
    for indices, group in groups:
        models = [config.models[index] for index in indices]
        kept = snapshot_features(models)
        sampled = [
            word
            for index, model in zip(indices, models, strict=True)
            for word in (index, model.within_ms)
        ]
        record = [0] * words.GROUP_WORDS
        record[words.GROUP_EVERY_SECONDS] = group.every_ms // 1000
        record[words.GROUP_NODES] = group.nodes
        record[words.GROUP_SCORES] = scores.block(indices)
        record[words.GROUP_FEATURES] = plan.listed(with_parts(config.features, set(kept)))
        record[words.GROUP_CELLS] = plan.listed(kept)
        record[words.GROUP_MODELS] = plan.run(sampled)
        record[words.GROUP_MODEL_COUNT] = len(models)
        if group.channel:
            record[words.GROUP_CHANNEL] = list(config.shop.channels).index(group.channel)
            record[words.GROUP_TRIGGER] = group.words - TRIGGER_WORDS
        records += record
    plan.words[words.GROUPS] = plan.run(records)
    plan.words[words.GROUP_COUNT] = len(records) // words.GROUP_WORDS


def signed(bits: int) -> int:
    """64 bits as the signed number that has them.

    >>> signed(1 << 63 | 1) == -(2**63) + 1
    True
    """
    return bits - (bits >> 63 << 64)
