"""Faults planted one at a time into a copy of the project: a named test notices each of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.faults import Fault, copy_project, plant, run_tests

STORIES = "tests/test_stories.py::test_"
CLOCK = "tests/test_stories_clock.py::test_"
FEATURES = "tests/test_stories_features.py::test_"
JOURNEYS = "tests/test_stories_journeys.py::test_"
RECOUNT = (
    "tests/test_models_against_oracle.py::test_with_models_the_engine_tells_what_the_oracle_tells"
)
WITHHELD = "tests/test_stories_withheld.py::test_"

TIME = (
    Fault(
        name="an event at a deadline comes before it",
        module="flows/apply.py",
        sound="while memory.deadline[slot] <= now_ms:",
        broken="while memory.deadline[slot] < now_ms:",
        caught_by=STORIES + "a_purchase_at_the_deadline_or_after_it_is_too_late",
    ),
    Fault(
        name="deadlines are cut to whole seconds",
        module="state/rolling.py",
        sound="return -(-instant_ms // 1000) * 1000",
        broken="return instant_ms // 1000 * 1000",
        caught_by=STORIES + "deadlines_are_rounded_up_to_whole_seconds",
    ),
    Fault(
        name="a stage after a decision is due at once",
        module="flows/due_stages.py",
        sound="return instant_ms // 1000 * 1000 + 1000",
        broken="return instant_ms",
        caught_by=STORIES + "the_stage_after_one_decided_at_once_waits_for_the_next_second",
    ),
    Fault(
        name="a ttl ends a millisecond early",
        module="flows/due_stages.py",
        sound="if instant_ms > memory.nodes[node + INSTANCE_DEADLINE] + ttl_ms:",
        broken="if instant_ms >= memory.nodes[node + INSTANCE_DEADLINE] + ttl_ms:",
        caught_by=STORIES + "a_late_event_expires_just_after_its_deadline_and_ttl",
    ),
    Fault(
        name="the lower priority wins",
        module="flows/due_stages.py",
        sound="return bool(priority > other_priority)",
        broken="return bool(priority < other_priority)",
        caught_by=STORIES + "of_two_journeys_due_in_the_same_second_the_higher_priority_wins",
    ),
    Fault(
        name="log time goes back where a file's times do",
        module="connectors/clock.py",
        sound="clock_ms = max(clock_ms, _own_ms(cells, row))",
        broken="clock_ms = _own_ms(cells, row)",
        caught_by=CLOCK + "what_a_file_holds_behind_a_later_record_was_not_known_before_it",
    ),
)

PROFILES = (
    Fault(
        name="a repeated message is applied again",
        module="flows/apply.py",
        sound="if not is_new and _is_duplicate(",
        broken="if is_new and _is_duplicate(",
        caught_by=STORIES + "a_message_that_comes_twice_counts_once",
    ),
    Fault(
        name="a tile is not cleared when its ring comes round",
        module="state/rolling.py",
        sound="            memory.rows16[cells16 + at] = 0\n",
        broken="            pass\n",
        caught_by=CLOCK + "after_a_silence_longer_than_its_window_a_count_starts_from_nothing",
    ),
    Fault(
        name="a tile leaves its window a tile early",
        module="state/rolling.py",
        sound="(at_ms // tile + 1) * tile + window",
        broken="at_ms // tile * tile + window",
        caught_by=FEATURES + "an_event_too_old_for_a_window_is_late_but_counts_since_ever",
    ),
    Fault(
        name="a refund counts like an order",
        module="flows/features.py",
        sound="amount = weight * max(",
        broken="amount = abs(weight) * max(",
        caught_by=FEATURES + "a_refund_is_negative_at_its_own_time",
    ),
    Fault(
        name="a late event adds a gap and divides none",
        module="state/rolling.py",
        sound=" + (latest - second) ** 2 - (latest - before) ** 2",
        broken="",
        caught_by=FEATURES + "a_late_event_divides_a_gap_that_is_remembered",
    ),
    Fault(
        name="a late item fills a cart that was emptied since",
        module="flows/carts.py",
        sound="if at_ms < _emptied_at(memory, plan, slot, key):",
        broken="if at_ms < 0:",
        caught_by=FEATURES + "items_older_than_the_emptying_of_their_cart_are_passed_over",
    ),
)

TAGS_AND_JOURNEYS = (
    Fault(
        name="a kept tag stays a second longer",
        module="flows/tags.py",
        sound="if now_ms < memory.rows64[kept_until]:",
        broken="if now_ms <= memory.rows64[kept_until]:",
        caught_by=FEATURES + "a_kept_tag_stays_for_its_time_after_the_rule_failed",
    ),
    Fault(
        name="all tags of a group that picks the first hold",
        module="flows/tags.py",
        sound="blocked = held & ints[record + TAG_BLOCKERS] != 0",
        broken="blocked = False",
        caught_by=FEATURES + "the_first_tag_that_holds_shuts_out_those_after_it",
    ),
    Fault(
        name="an exit is ignored",
        module="flows/journeys.py",
        sound="            _exit_by_event(machine, columns, index, slot, journey)\n",
        broken="            pass\n",
        caught_by=STORIES + "a_purchase_one_millisecond_before_the_deadline_prevents_the_trigger",
    ),
    Fault(
        name="an exit ends the instances of all carts",
        module="flows/journeys.py",
        sound="(key == NO_KEY or memory.nodes[node + INSTANCE_KEY] == key)",
        broken="(key == NO_KEY or memory.nodes[node + INSTANCE_KEY] != NO_KEY)",
        caught_by=JOURNEYS + "an_order_of_another_cart_ends_nothing_and_empties_nothing",
    ),
    Fault(
        name="a late entry opens what an exit has closed",
        module="flows/journeys.py",
        sound="if blocked_by_exit(memory, plan, slot, journey, key, entry_ms):",
        broken="if entry_ms < 0:",
        caught_by=JOURNEYS + "an_entry_older_than_the_last_exit_opens_nothing",
    ),
    Fault(
        name="a reset leaves the deadline where it was",
        module="flows/journeys.py",
        sound="            _reset(machine, node, entry_ms)\n",
        broken="            pass\n",
        caught_by=JOURNEYS + "a_reset_moves_the_deadline_and_keeps_the_entry",
    ),
    Fault(
        name="a cooldown is a millisecond too long",
        module="flows/due_stages.py",
        sound="instant_ms < earlier + ints[journey + COOLDOWN]",
        broken="instant_ms <= earlier + ints[journey + COOLDOWN]",
        caught_by=JOURNEYS + "a_cooldown_is_over_at_exactly_its_end",
    ),
    Fault(
        name="a user who has closed all channels is sent to",
        module="flows/due_stages.py",
        sound="if choose_channel(machine, slot, index) == NO_CHANNEL:",
        broken="if choose_channel(machine, slot, index) < NO_CHANNEL:",
        caught_by=JOURNEYS + "nothing_is_sent_after_all_channels_were_closed",
    ),
)

NOT_SENT = (
    Fault(
        name="a withheld trigger keeps its cooldown",
        module="state/history.py",
        sound="if withheld_at(memory.nodes[node + GOAL_STAGE]) == sent_at:",
        broken="if False:",
        caught_by=WITHHELD + "a_withheld_trigger_leaves_its_cooldown_free",
    ),
    Fault(
        name="the same record gives back twice",
        module="state/history.py",
        sound="if not withheld_at(nodes[node + GOAL_STAGE]) < instant_ms <= last_at:",
        broken="if not instant_ms <= last_at:",
        caught_by=WITHHELD + "the_same_record_twice_has_the_effect_of_one",
    ),
    Fault(
        name="a stage due as the shop goes live is not sent",
        module="flows/due_stages.py",
        sound="if memory.nodes[node + INSTANCE_DEADLINE] < ints[LIVE_FROM]:",
        broken="if memory.nodes[node + INSTANCE_DEADLINE] <= ints[LIVE_FROM]:",
        caught_by=WITHHELD
        + "stages_due_before_the_shop_is_live_are_not_sent_and_count_for_nothing",
    ),
)

LEARNING = (
    Fault(
        name="what a user is like a day later is taken for an example",
        module="flows/sampling.py",
        sound="= head_of(now_ms, group, taken)",
        broken="= head_of(now_ms - 86_400_000, group, taken)",
        caught_by=RECOUNT + "[50]",
    ),
    Fault(
        name="windows of examples end a day later",
        module="flows/sampling.py",
        sound="ints[record + GROUP_FEATURES]\n"
        "        read_features(memory, plan, listed, slot, now_ms,",
        broken="ints[record + GROUP_FEATURES]\n"
        "        read_features(memory, plan, listed, slot, now_ms + 86_400_000,",
        caught_by=RECOUNT + "[114]",
    ),
    Fault(
        name="users are sampled after the record of that instant",
        module="flows/apply.py",
        sound="is_due = memory.deadline[slot] <= columns.log_ms[index]",
        broken="is_due = memory.deadline[slot] < columns.log_ms[index]",
        caught_by=RECOUNT + "[119]",
    ),
    Fault(
        name="what happened at the instant of an example is its outcome",
        module="flows/sampling.py",
        sound="if at_ms > sampled_at(head):",
        broken="if at_ms >= sampled_at(head):",
        caught_by=RECOUNT + "[119]",
    ),
    Fault(
        name="outcomes count by when they were recorded",
        module="flows/apply.py",
        sound="ints[event + OUTCOMES], slot, columns.at_ms[index], named)",
        broken="ints[event + OUTCOMES], slot, columns.log_ms[index], named)",
        caught_by=RECOUNT + "[119]",
    ),
    Fault(
        name="examples close a second late",
        module="flows/sampling.py",
        sound="return whole_second(sampled_at(head) + within_ms)",
        broken="return whole_second(sampled_at(head) + within_ms + 1000)",
        caught_by=RECOUNT + "[119]",
    ),
    Fault(
        name="a positive is an example before its time",
        module="flows/sampling.py",
        sound="closes_at(ints, head, model) <= now_ms:",
        broken="(closes_at(ints, head, model) <= now_ms or outcome_bits(head) >> model & 1):",
        caught_by=RECOUNT + "[119]",
    ),
    Fault(
        name="models of a group share their outcomes",
        module="flows/sampling.py",
        sound="words[row + EXAMPLE_OUTCOME] = outcome_bits(head) >> model & 1",
        broken="words[row + EXAMPLE_OUTCOME] = outcome_bits(head) != 0",
        caught_by=RECOUNT + "[119]",
    ),
    Fault(
        name="who has no score is given the default",
        module="flows/propensity.py",
        sound="value = plan.floats[record + MODEL_DEFAULT] if is_eligible else np.nan",
        broken="value = plan.floats[record + MODEL_DEFAULT]",
        caught_by=RECOUNT + "[4]",
    ),
    Fault(
        name="the daily look is a second late",
        module="flows/propensity.py",
        sound="return bool(instant_ms % DAY_MS == second * 1000)",
        broken="return bool(instant_ms % DAY_MS == second * 1000 + 1000)",
        caught_by=RECOUNT + "[4]",
    ),
    Fault(
        name="nobody wakes for the daily look",
        module="flows/propensity.py",
        sound="return int(today if today > now_ms else today + DAY_MS)",
        broken="return NEVER",
        caught_by=RECOUNT + "[127]",
    ),
    Fault(
        name="an event is no look",
        module="flows/tags.py",
        sound="if scores != 0 and not look(machine, scores, slot, now_ms):",
        broken="if scores != 0 and now_ms < 0:",
        caught_by=RECOUNT + "[114]",
    ),
    Fault(
        name="a score that changed is taken for one that stands",
        module="flows/propensity.py",
        sound="is_changed = is_changed or not (held == score or is_missing)",
        broken="is_changed = is_changed and not (held == score or is_missing)",
        caught_by=RECOUNT + "[4]",
    ),
    Fault(
        name="a score that stands keeps all tags from turning",
        module="flows/plan.py",
        sound="rest = self.scope(unscored) if is_split else 0",
        broken="rest = 0",
        caught_by="tests/test_scores_that_stand.py::test_"
        "tags_that_read_what_an_event_changes_settle_though_the_score_stands",
    ),
    Fault(
        name="a complement is what it is the complement of",
        module="flows/propensity.py",
        sound="= 1.0 - value if is_complement else value",
        broken="= value",
        caught_by=RECOUNT + "[119]",
    ),
)

MODELS = (
    Fault(
        name="a version is put in force with other weights than it has",
        module="flows/versions.py",
        sound="table = np.column_stack((scorer.means, scorer.scales, scorer.weights))",
        broken="table = np.column_stack((scorer.means, scorer.scales, scorer.weights * 1.0001))",
        caught_by="tests/test_proving.py::test_what_a_learner_publishes_scores_as_river_does",
    ),
    Fault(
        name="the numbers of a version are read back by half",
        module="flows/learn_sealed.py",
        sound='return np.frombuffer(data, "<f8").astype(np.float64).reshape(shape)',
        broken='return np.frombuffer(data, "<f8").astype(np.float32).astype(float).reshape(shape)',
        caught_by="tests/test_proving.py::test_what_a_learner_publishes_scores_as_river_does",
    ),
)

STORES = (
    Fault(
        name="a commit on another checkpoint is taken",
        module="state/store.py",
        sound="    if commit.previous == stored:\n",
        broken="    if commit:\n",
        caught_by="tests/test_store_contract.py::"
        "test_a_commit_on_another_checkpoint_is_refused_and_changes_nothing",
    ),
    Fault(
        name="a damaged commit counts",
        module="state/frames.py",
        sound="len(payload) < length or checksum != ",
        broken="len(payload) < length and checksum != ",
        caught_by="tests/test_file_store.py::"
        "test_a_byte_changed_anywhere_in_the_last_commit_undoes_it_and_nothing_else",
    ),
)

FAULTS = (*TIME, *PROFILES, *TAGS_AND_JOURNEYS, *NOT_SENT, *LEARNING, *MODELS, *STORES)


def test_without_a_fault_all_these_tests_pass(tmp_path: Path) -> None:
    project = copy_project(tmp_path)
    result = run_tests(project, *sorted({fault.caught_by for fault in FAULTS}))
    assert result.returncode == 0, result.stdout[-2000:] + result.stderr


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name.replace(" ", "-"))
def test_a_planted_fault_is_caught(fault: Fault, tmp_path: Path) -> None:
    project = copy_project(tmp_path)
    plant(fault, project)
    result = run_tests(project, fault.caught_by)
    # 1 is "tests failed"; a fault that only kept tests from being collected would prove nothing.
    assert result.returncode == 1, result.stdout[-2000:] + result.stderr
    assert f"FAILED {fault.caught_by}" in result.stdout
