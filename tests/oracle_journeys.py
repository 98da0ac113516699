"""Journeys: goals, exits, entries, resets and decisions of one user at one moment."""

from __future__ import annotations

from hashlib import blake2b

from config.schema import Journey
from tests.oracle_features import ceil_second
from tests.oracle_outputs import decision, goal, place_of
from tests.oracle_profile import Exit, Instance, Moment, Profile, Send
from tests.oracle_rules import holds
from tests.reference_decoder import Withheld

INSTANCES_MAX = 8
EXITS_MAX = 8
SECOND_MS = 1_000


def note_goals(moment: Moment) -> None:
    """Notes each journey whose last sent or held-out decision this event makes a success."""
    assert moment.event is not None
    for journey in moment.config.journeys:
        counted = [
            send
            for send in moment.profile.sends
            if send.instance.journey.name == journey.name and send.outcome != "shadow"
        ]
        if journey.goal is None or journey.goal.event != moment.event.name or not counted:
            continue
        send = counted[-1]
        since_ms = moment.event.at_ms - send.instant_ms
        if 0 <= since_ms < journey.goal.within_ms and not send.goal_reached:
            send.goal_reached = True
            moment.ledger.decisions.append(goal(moment, send))


def exit_by_event(moment: Moment) -> None:
    """Ends the instances that this event ends, and remembers it for entries older than it."""
    event = moment.event
    assert event is not None
    for journey in moment.config.journeys:
        if event.name not in journey.exit_events:
            continue
        key = key_of(moment, journey)
        remember_exit(moment, Exit(journey.name, key, event.at_ms))
        for instance in running(moment, journey):
            recent_enough = instance.by_tag or event.at_ms >= instance.base_ms
            if recent_enough and key in (None, instance.key):
                end(moment, instance, "exit")


def remember_exit(moment: Moment, new: Exit) -> None:
    exits = moment.profile.exits
    for index, known in enumerate(exits):
        if known[:2] == new[:2]:
            exits[index] = max(known, new, key=lambda one: one.at_ms)
            return
    exits.append(new)
    if len(exits) > EXITS_MAX:
        exits.remove(min(exits, key=lambda one: one.at_ms))


def exit_by_rule(moment: Moment) -> None:
    """Ends every running instance whose `exit.when` holds now."""
    for instance in list(moment.profile.instances):
        if exit_rule_holds(moment, instance):
            end(moment, instance, "exit")


def exit_rule_holds(moment: Moment, instance: Instance) -> bool:
    rule = instance.journey.exit_when
    return rule is not None and holds(rule.text, moment.names(instance.journey, instance.key))


def enter(moment: Moment, gained: set[str]) -> None:
    """Opens or resets instances, journeys in order of name, by the event or by tags just gained."""
    for journey in moment.config.journeys:
        if journey.entry_tag is not None:
            if moment.config.tags[journey.entry_tag].name in gained:
                enter_one(moment, journey, moment.instant_ms)
        elif moment.event is not None and moment.event.name == journey.entry_event:
            enter_one(moment, journey, moment.event.at_ms)


def enter_one(moment: Moment, journey: Journey, entry_ms: int) -> None:
    """One entry into one journey, unless its rule, a missing key or an exit stands against it."""
    key = key_of(moment, journey)
    rule = journey.entry_when
    if journey.key is not None and key is None:
        return
    if rule is not None and not holds(rule.text, moment.names(journey, key)):
        return
    for known in moment.profile.exits:
        same = known.journey == journey.name and known.key in (None, key)
        if same and known.at_ms > entry_ms:
            return
    present = [instance for instance in running(moment, journey) if instance.key == key]
    if not present:
        open_instance(moment, journey, key, entry_ms)
    elif journey.reentry == "reset":
        reset(present[0], entry_ms)


def open_instance(moment: Moment, journey: Journey, key: str | None, entry_ms: int) -> None:
    profile = moment.profile
    if len(profile.instances) == INSTANCES_MAX:
        end(moment, profile.instances[0], "replaced")
    by_tag = journey.entry_tag is not None
    instance = Instance(journey, key, entry_ms, entry_ms, by_tag, profile.opened)
    profile.opened += 1
    last = last_send(profile, journey.name)
    instance.earlier_sent_ms = last.counts_ms() if last is not None else None
    profile.instances.append(instance)
    schedule_first(moment, instance)
    entered = moment.ledger.entered
    entered[journey.name] = entered.get(journey.name, 0) + 1


def reset(instance: Instance, entry_ms: int) -> None:
    """Stages count from the later entry; what is pending is never decided sooner for that."""
    instance.base_ms = max(instance.base_ms, entry_ms)
    instance.deadline_ms = max(instance.deadline_ms, deadline_of(instance))
    assert instance.due_ms is not None, "what is due at once was decided with its own record"
    instance.due_ms = max(instance.due_ms, instance.deadline_ms)


def deadline_of(instance: Instance) -> int:
    """When the pending stage is due, counted from entry or the last reset."""
    return ceil_second(instance.base_ms + instance.journey.stages[instance.stage].after_ms)


def schedule_first(moment: Moment, instance: Instance) -> None:
    """A record may set what is due at once; what time alone sets waits for the next second."""
    deadline_ms = instance.deadline_ms = deadline_of(instance)
    if moment.event is None:
        instance.due_ms = max(deadline_ms, next_second(moment.instant_ms))
    else:
        instance.due_ms = deadline_ms if deadline_ms > moment.instant_ms else None


def next_second(instant_ms: int) -> int:
    return instant_ms // SECOND_MS * SECOND_MS + SECOND_MS


def decide_due(moment: Moment) -> None:
    """Decides every stage due by now, in the order of their places."""
    due = [
        instance
        for instance in moment.profile.instances
        if instance.due_ms is None or instance.due_ms <= moment.instant_ms
    ]
    for instance in sorted(due, key=lambda one: place_of(moment, one, one.stage)):
        decide(moment, instance)


def decide(moment: Moment, instance: Instance) -> None:
    """One decision; the next stage is scheduled, or the instance ends."""
    reason = reason_against(moment, instance)
    if reason == "exit":
        end(moment, instance, "exit")
        return
    moment.ledger.decisions.append(decision(moment, instance, reason))
    if reason in (None, "holdout", "shadow"):
        note_send(moment, instance, reason or "sent")
    instance.stage += 1
    if instance.stage == len(instance.journey.stages):
        moment.profile.instances.remove(instance)
        return
    instance.deadline_ms = deadline_of(instance)
    instance.due_ms = max(instance.deadline_ms, next_second(moment.instant_ms))


def note_send(moment: Moment, instance: Instance, outcome: str) -> None:
    """Notes a decision that counts, with the one before it."""
    last = last_send(moment.profile, instance.journey.name)
    before_ms = None
    if last is not None and last.outcome == "shadow":
        before_ms = last.before_ms if outcome == "shadow" else None
    elif last is not None and (outcome == "shadow" or same_run(last.instance, instance)):
        before_ms = last.counts_ms()
    send = Send(instance, instance.stage, moment.instant_ms, outcome, before_ms)
    moment.profile.sends.append(send)
    for other in running(moment, instance.journey):
        if other.number > instance.number:
            other.earlier_sent_ms = moment.instant_ms


def last_send(profile: Profile, journey: str) -> Send | None:
    own = [send for send in profile.sends if send.instance.journey.name == journey]
    return own[-1] if own else None


def same_run(one: Instance, other: Instance) -> bool:
    return (one.key, one.entry_ms) == (other.key, other.entry_ms)


def withhold(moment: Moment, notice: Withheld) -> None:
    """A trigger was not sent: it counts no more, and the stage is suppressed."""
    profile, instant_ms = moment.profile, notice.instant_ms
    journey = next((one for one in moment.config.journeys if one.name == notice.journey), None)
    last = last_send(profile, notice.journey)
    if journey is None or last is None or held_out(journey, profile.user):
        return
    last_ms = last.before_ms if last.outcome == "shadow" else last.instant_ms
    before_ms = profile.withheld_ms.get(journey.name, -1)
    if last_ms is None or not before_ms < instant_ms <= last_ms or instant_ms >= notice.log_ms:
        return
    is_last = last.instant_ms == instant_ms
    for instance in running(moment, journey):
        if instance.earlier_sent_ms == instant_ms:
            instance.earlier_sent_ms = last.before_ms if is_last else None
    last.withheld = is_last
    if last.before_ms == instant_ms:
        last.before_ms = None
    for send in profile.sends:
        if send.instance.journey is journey and send.instant_ms == instant_ms:
            send.goal_reached = True
    profile.withheld_ms[journey.name] = instant_ms
    place = (notice.log_ms, notice.offset, profile.user.encode())
    moment.ledger.decisions.append((place, dict(notice.suppressed)))
    counts = moment.ledger.withheld
    counts[journey.name] = counts.get(journey.name, 0) + 1


def reason_against(moment: Moment, instance: Instance) -> str | None:
    """The first reason not to send; None when there is none."""
    journey, stage = instance.journey, instance.journey.stages[instance.stage]
    names = moment.names(journey, instance.key)
    checks = (
        ("exit", exit_rule_holds(moment, instance)),
        ("off", journey.status == "off"),
        ("before_live", is_before_live(moment, instance)),
        ("expired", moment.instant_ms > instance.deadline_ms + stage.ttl_ms),
        ("rule", stage.when is not None and not holds(stage.when.text, names)),
        ("cooldown", in_cooldown(moment, instance)),
        ("consent", moment.profile.closed.issuperset(journey.channels)),
        ("priority", sent_at_this_instant(moment)),
        ("shadow", journey.status == "shadow"),
        ("holdout", held_out(journey, moment.profile.user)),
    )
    return next((reason for reason, applies in checks if applies), None)


def in_cooldown(moment: Moment, instance: Instance) -> bool:
    earlier_ms = instance.earlier_sent_ms
    return earlier_ms is not None and moment.instant_ms < earlier_ms + instance.journey.cooldown_ms


def is_before_live(moment: Moment, instance: Instance) -> bool:
    live_from_ms = moment.config.shop.live_from_ms
    return isinstance(live_from_ms, int) and instance.deadline_ms < live_from_ms


def sent_at_this_instant(moment: Moment) -> bool:
    return any(
        send.instant_ms == moment.instant_ms and send.outcome != "shadow"
        for send in moment.profile.sends
    )


def held_out(journey: Journey, user: str) -> bool:
    """Whether the user is never sent this journey's triggers, by a stable hash."""
    digest = blake2b(journey.name.encode() + b"\0" + user.encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") / 2**64 < journey.holdout


def end(moment: Moment, instance: Instance, reason: str) -> None:
    """Ends an instance before its last stage's time; its pending stage has `reason` as outcome."""
    moment.profile.instances.remove(instance)
    moment.ledger.decisions.append(decision(moment, instance, reason))


def running(moment: Moment, journey: Journey) -> list[Instance]:
    """The running instances of one journey, the one opened first ahead."""
    return [one for one in moment.profile.instances if one.journey.name == journey.name]


def key_of(moment: Moment, journey: Journey) -> str | None:
    """The key that the event at hand names, in a keyed journey."""
    if journey.key is None or moment.event is None:
        return None
    key = moment.event.fields.get(journey.key)
    assert key is None or isinstance(key, str)
    return key
