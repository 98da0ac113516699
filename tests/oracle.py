"""The oracle: Beckon as docs/semantics.md tells it, slow and obvious, to hold the engine against.

Each user is gone through alone, event by event; between two events every second is looked at in
which time alone could turn something. Features are counted again from all events, whenever one is
asked for.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby

from config.schema import Config, Feature
from tests import oracle_journeys as journeys
from tests.oracle_features import (
    DAY_MS,
    WINDOWED,
    ceil_second,
    facts_of,
    in_window,
    leaves_at_ms,
)
from tests.oracle_outputs import profile_document, transition
from tests.oracle_profile import Document, Ledger, Moment, Profile, World
from tests.oracle_rules import names_read
from tests.oracle_scores import BEHIND_ALL, Models, instants_of
from tests.oracle_tags import settle
from tests.reference_decoder import Event, Withheld

MESSAGE_IDS_MAX = 32


def run(
    config: Config,
    events: list[Event],
    *,
    clock_ms: int,
    models: Models,
    withheld: Sequence[Withheld] = (),
) -> World:
    """What comes of a log: `events` in log order, then time passing up to `clock_ms`.

    `models` are what the config's own files say of thresholds and models, and versions of these
    (`models_of`). `withheld`: what records in between say was not sent.
    """
    ledger = Ledger()
    finals: list[Moment] = []
    known = {event.user for event in events}
    of_users: list[Event | Withheld] = [*events]
    of_users += [notice for notice in withheld if notice.user in known]
    of_users.sort(key=lambda record: (record.user.encode(), record.offset))
    for user, own in groupby(of_users, key=lambda record: record.user):
        profile = Profile(user)
        final = Moment(config, models, profile, ledger, clock_ms)
        for record in own:
            at_record = final._replace(instant_ms=record.log_ms)
            if isinstance(record, Event):
                apply(at_record._replace(offset=record.offset, event=record))
            elif profile.message_ids:
                advance(at_record)
                journeys.withhold(at_record, record)
        advance(final)
        finals.append(final._replace(offset=BEHIND_ALL))
    return World(
        decisions=[document for _, document in sorted(ledger.decisions, key=lambda pair: pair[0])],
        transitions=[
            document for _, document in sorted(ledger.transitions, key=lambda pair: pair[0])
        ],
        profiles=[profile_document(final) for final in finals],
        counters=counters(config, ledger, finals, len(events)),
    )


def apply(moment: Moment) -> None:
    """One event of one user: the numbered steps of docs/semantics.md."""
    event, profile = moment.event, moment.profile
    assert event is not None
    if event.message_id in profile.message_ids[-MESSAGE_IDS_MAX:]:
        moment.ledger.duplicates += 1
        return
    if profile.message_ids:
        advance(moment._replace(offset=-1, event=None))
    profile.message_ids.append(event.message_id)
    profile.looked_ms = event.log_ms
    moment.ledger.late += take(moment, event)
    take_consent(moment, event)
    look(moment)
    gained = settle_tags(moment)
    journeys.note_goals(moment)
    journeys.exit_by_event(moment)
    journeys.exit_by_rule(moment)
    journeys.enter(moment, gained)
    journeys.decide_due(moment)


def take(moment: Moment, event: Event) -> bool:
    """The features take the event; gives whether it is late for one of them."""
    late = False
    for feature in moment.config.profile_features:
        facts = facts_of(moment.config, feature, event)
        moment.profile.facts.setdefault(feature.name, []).extend(facts)
        if event.name in feature.events and feature.kind in WINDOWED:
            late |= not in_window(feature, event.at_ms, event.log_ms)
    moment.profile.carts.take(event)
    return late


def take_consent(moment: Moment, event: Event) -> None:
    """Channels closed and opened by `Unsubscribed` and by traits."""
    closed, channels = moment.profile.closed, moment.config.shop.channels
    if event.name == "Unsubscribed":
        channel = event.fields.get("channel", "email")
        closed.update({str(channel)} & set(channels))
    if event.name == "identify":
        for channel, trait in channels.items():
            wish = event.fields.get(f"traits.{trait}")
            if wish is not None:
                (closed.add if wish else closed.discard)(channel)


def look(moment: Moment) -> None:
    """Takes anew the scores that tags see, where it is time for it."""
    models, event, profile = moment.models, moment.event, moment.profile
    for name in models.learned:
        is_due = len(profile.message_ids) == 1 or event is None or event.name in models.events[name]
        if models.read_by_tags and is_due:
            profile.scores[name] = models.score(name, moment.reading(), moment.offset).value


def settle_tags(moment: Moment) -> set[str]:
    """Settles the tags; gives the names of those gained."""
    tags = moment.profile.tags
    turned = settle(moment.config, moment.models.thresholds, tags, moment.reading_of_tags())
    for index, gained in turned:
        moment.ledger.transitions.append(transition(moment, index, gained))
    return {moment.config.tags[index].name for index, gained in turned if gained}


def advance(moment: Moment) -> None:
    """Settles and decides all that time alone brings up to the moment's instant."""
    profile = moment.profile
    looks = daily_looks(moment)
    seconds = sorted({*turning_seconds(moment), *looks})
    while True:
        dues = [one.due_ms for one in profile.instances if one.due_ms is not None]
        kept = profile.tags.kept_until_ms.values()
        ahead = [second for second in (*seconds, *dues, *kept) if second > profile.looked_ms]
        if not ahead or min(ahead) > moment.instant_ms:
            return
        profile.looked_ms = min(ahead)
        at_second = moment._replace(instant_ms=profile.looked_ms)
        if profile.looked_ms in looks:
            look(at_second)
        journeys.enter(at_second, settle_tags(at_second))
        journeys.decide_due(at_second)


def daily_looks(moment: Moment) -> Sequence[int]:
    """The user's second of each day, where a tag's rule reads a propensity."""
    if not moment.models.read_by_tags:
        return ()
    return instants_of(moment.profile.user, DAY_MS, moment.profile.looked_ms, moment.instant_ms)


def turning_seconds(moment: Moment) -> Iterator[int]:
    """Every second at which a feature that a tag's rule reads can change by time alone."""
    for feature in features_read_by_tags(moment.config):
        facts = moment.profile.facts.get(feature.name, [])
        if feature.kind in WINDOWED and feature.window_ms:
            yield from {leaves_at_ms(feature, fact.at_ms) for fact in facts}
        elif feature.kind == "days_since" and facts:
            latest = max(ceil_second(fact.at_ms) for fact in facts)
            yield from range(latest + DAY_MS, moment.instant_ms + 1, DAY_MS)


def features_read_by_tags(config: Config) -> list[Feature]:
    """The features named in rules of tags, and those which a ratio named there is made of."""
    read = set().union(*(names_read(tag.rule.text) for tag in config.tags if tag.rule))
    for feature in reversed(config.features):
        if feature.kind == "ratio" and feature.name in read:
            read |= {config.features[index].name for index in feature.over}
    return [feature for feature in config.features if feature.name in read]


def counters(config: Config, ledger: Ledger, finals: list[Moment], event_count: int) -> Document:
    """The sums that a replay's summary shows."""
    held = [name for final in finals for name in final.profile.tags.held]
    return {
        "events": event_count - ledger.duplicates,
        "duplicates": ledger.duplicates,
        "late": ledger.late,
        "users": len(finals),
        "tags": {tag.name: held.count(tag.name) for tag in config.tags if tag.name in held},
        "journeys": {
            journey.name: journey_counters(journey.name, ledger, finals)
            for journey in config.journeys
        },
    }


def reason_of(document: Document) -> str | None:
    """Why a stage was suppressed; None for what is no suppression."""
    data = document["data"]
    assert isinstance(data, dict)
    return data.get("reason")


def journey_counters(name: str, ledger: Ledger, finals: Iterable[Moment]) -> Document:
    own = [
        document
        for _, document in ledger.decisions
        if isinstance(document["data"], dict) and document["data"]["journey"] == name
    ]
    late = ledger.withheld.get(name, 0)
    kinds = [str(document["type"]) for document in own]
    reasons = [reason for reason in map(reason_of, own) if reason is not None]
    pending = sum(one.journey.name == name for final in finals for one in final.profile.instances)
    sent = kinds.count("beckon.trigger")
    return {
        "entered": ledger.entered.get(name, 0),
        "scheduled": sent - late + len(reasons) + pending,
        "sent": sent - late,
        "suppressed": {reason: reasons.count(reason) for reason in sorted(set(reasons))},
        "pending": pending,
        "goals": kinds.count("beckon.goal"),
    }
