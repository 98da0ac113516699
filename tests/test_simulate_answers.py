"""The simulated shop's customers answer triggers: as a function of each, in order of receipt."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from flows.cli import beckon
from flows.exits import DONE, run_command
from flows.learn_quality import quality_of
from flows.simulate import START_MS, SimulateOptions, simulate
from flows.simulate_answers import EMAIL, LEFT, PUSH, Reader, Trigger, answers_to, liking
from flows.simulate_events import DAY_MS, HOUR_MS
from flows.simulate_mailbox import read_triggers
from tests.simulated import milliseconds, profile

USERS, DAYS, SEED = 1_000, 80, 7
SMALL = SimulateOptions(users=200, days=20, seed=SEED)
READER = Reader(mood=2, likes=1.0, reachable=True, messages=1)
OUTPUTS = ("triggers", "examples")
PARTS_OF_A_LOG = ("events", "truth", *OUTPUTS)


def made_up_triggers(count: int, channel: str = EMAIL, users: int = 200) -> list[Trigger]:
    """Triggers all over the first 15 days, in order of time."""
    return [
        Trigger(
            id=f"{number:032x}",
            user=number * 37 % users,
            at_ms=START_MS + number * 15 * DAY_MS // count,
            channel=channel,
        )
        for number in range(count)
    ]


def lines_of(options: SimulateOptions, triggers: Sequence[Trigger] = ()) -> list[bytes]:
    events = BytesIO()
    simulate(options, events, None, triggers)
    return events.getvalue().splitlines()


def names_a_trigger(line: bytes) -> bool:
    return b'"trigger_id"' in line


@pytest.fixture(scope="module")
def answered() -> list[Any]:
    lines = lines_of(SMALL, made_up_triggers(2_000))
    return [json.loads(line) for line in lines if names_a_trigger(line)]


def test_the_log_is_the_same_but_for_answers_and_the_newsletters_that_they_end() -> None:
    plain, with_answers = lines_of(SMALL), lines_of(SMALL, made_up_triggers(2_000))
    others = [line for line in with_answers if not names_a_trigger(line)]
    ended = set(plain) - set(others)
    assert [line for line in plain if line not in ended] == others
    closed = {
        profile(json.loads(line))
        for line in with_answers
        if names_a_trigger(line) and b'"Unsubscribed"' in line
    }
    assert ended and all(profile(json.loads(line)) in closed for line in ended)
    assert all(b'newsletter"' in line or b'"email_unsubscribed"' in line for line in ended)


def test_answers_name_their_triggers_soon_after_and_come_in_order_of_receipt(
    answered: list[Any],
) -> None:
    sent = {trigger.id: trigger for trigger in made_up_triggers(2_000)}
    for message in answered:
        trigger = sent[message["properties"]["trigger_id"]]
        pause_ms = milliseconds(message["timestamp"]) - trigger.at_ms
        assert 0 < pause_ms < 3 * DAY_MS
        assert profile(message) == f"u{trigger.user:09d}"
    assert len({message["messageId"] for message in answered}) == len(answered)
    all_messages = lines_of(
        msgspec.structs.replace(SMALL, rates=msgspec.structs.replace(SMALL.rates, broken=0)),
        made_up_triggers(2_000),
    )
    received = [json.loads(line)["receivedAt"] for line in all_messages]
    assert received == sorted(received)
    told = Counter(message["event"] for message in answered)
    assert told["Email Delivered"] > told["Email Opened"] > told["Email Link Clicked"] > 50
    assert told["Unsubscribed"] > 0 and told["Email Bounced"] > 0


def test_most_mails_are_opened_by_day_and_all_within_three_days() -> None:
    opened_ms = [
        answer.at_ms
        for trigger in made_up_triggers(3_000)
        for answer in answers_to(trigger, READER, SEED)
        if answer.event == "Email Opened"
    ]
    assert {at_ms % DAY_MS // HOUR_MS for at_ms in opened_ms} == set(range(7, 23))


def test_who_unsubscribes_gets_no_mail_of_a_later_trigger(answered: list[Any]) -> None:
    closed_at: dict[str, str] = {}
    for message in answered:
        if message["event"] == "Unsubscribed":
            assert message["properties"]["channel"] == EMAIL
            closed_at[profile(message)] = message["timestamp"]
    sent = {trigger.id: trigger for trigger in made_up_triggers(2_000)}
    for message in answered:
        end = closed_at.get(profile(message))
        trigger = sent[message["properties"]["trigger_id"]]
        assert end is None or trigger.at_ms <= milliseconds(end)


@pytest.mark.parametrize(("channel", "event"), [(EMAIL, "Email Opened"), (PUSH, "Tapped")])
@pytest.mark.parametrize("mood", [0, 3, LEFT])
def test_a_message_is_answered_as_often_as_its_chance_says(
    channel: str, event: str, mood: int
) -> None:
    reader = msgspec.structs.replace(READER, mood=mood)
    triggers = made_up_triggers(4_000, channel)
    yes = [
        any(answer.event.endswith(event) for answer in answers_to(trigger, reader, SEED))
        for trigger in triggers
    ]
    assert np.mean(yes) == pytest.approx(reader.chance(channel), abs=0.025)


def test_liking_and_fatigue_move_the_chance_and_nobody_opens_what_does_not_arrive() -> None:
    tired, fond = (
        msgspec.structs.replace(READER, **one) for one in ({"messages": 6}, {"likes": 2})
    )
    gone = msgspec.structs.replace(READER, reachable=False)
    assert gone.chance(EMAIL) == 0 < tired.chance(EMAIL) < READER.chance(EMAIL)
    assert READER.chance(EMAIL) < fond.chance(EMAIL) < 1
    (trigger,) = made_up_triggers(1)
    assert [answer.event for answer in answers_to(trigger, gone, SEED)] == ["Email Bounced"]
    assert 0.005 < np.mean([not liking(user, SEED)[1] for user in range(5_000)]) < 0.02


def test_an_answer_hangs_on_its_own_trigger_and_the_seed_alone() -> None:
    triggers = made_up_triggers(300)
    given = [answers_to(trigger, READER, SEED) for trigger in triggers]
    assert given[::-1] == [answers_to(trigger, READER, SEED) for trigger in triggers[::-1]]
    assert given != [answers_to(trigger, READER, SEED + 1) for trigger in triggers]


def written(path: Path, *changes: dict[str, Any]) -> str:
    sent = {
        "id": "a" * 32,
        "type": "beckon.trigger",
        "subject": "u000000007",
        "time": "2026-01-05T10:00:00.000Z",
        "data": {"channel": "email"},
    }
    path.write_bytes(b"".join(msgspec.json.encode(sent | change) + b"\n" for change in changes))
    return str(path)


def test_triggers_are_read_in_order_of_time_without_guests_and_other_messages(
    tmp_path: Path,
) -> None:
    path = written(
        tmp_path / "triggers.jsonl",
        {"time": "2026-01-06T10:00:00.000Z"},
        {"id": "b" * 32},
        {"subject": "0123456789ab"},
        {"type": "beckon.suppressed"},
    )
    assert [trigger.id[0] for trigger in read_triggers(path, users=8)] == ["b", "a"]


def test_triggers_of_another_shop_and_lines_that_are_none_are_refused(tmp_path: Path) -> None:
    path = written(tmp_path / "triggers.jsonl", {}, {"subject": "mia"})
    with pytest.raises(ValueError, match=r"line 2: expected a customer of this shop of 8.*'mia'"):
        read_triggers(path, users=8)
    with pytest.raises(ValueError, match="line 1: expected a customer of this shop of 7"):
        read_triggers(path, users=7)
    (tmp_path / "events.jsonl").write_bytes(b'{"type":"track"}\n')
    with pytest.raises(OSError, match=r"events\.jsonl, line 1: expected a message of Beckon's"):
        read_triggers(str(tmp_path / "events.jsonl"), users=8)


def run(*arguments: object) -> None:
    assert run_command(beckon, [str(part) for part in arguments]) == DONE


@pytest.fixture(scope="module")
def rounds(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Path]]:
    """Three replays of a shop: without answers, and each with answers to the one before it."""
    folder, done, answers = tmp_path_factory.mktemp("rounds"), [], list[object]()
    for number in range(3):
        paths = {name: folder / f"{name}-{number}.jsonl" for name in PARTS_OF_A_LOG}
        log, told = paths["events"], ("--out", paths["events"], "--truth", paths["truth"])
        shop = ("--users", USERS, "--days", DAYS, "--seed", SEED)
        run("simulate", *shop, *told, *answers)
        outputs = [part for name in OUTPUTS for part in (f"--{name}", paths[name])]
        run("replay", log, *outputs)
        answers = ["--answers-to", paths["triggers"]]
        done.append(paths)
    return done


def test_a_replay_sends_again_what_was_answered_and_a_second_round_all_of_it(
    rounds: list[dict[str, Path]],
) -> None:
    sent = [
        {(trigger.id, trigger.at_ms) for trigger in read_triggers(str(one["triggers"]), USERS)}
        for one in rounds
    ]
    assert len(sent[0] & sent[1]) > 0.99 * len(sent[0])
    assert len(sent[1] & sent[2]) > 0.999 * len(sent[1])


def test_a_model_of_answers_learns_from_the_shop_and_the_truth_knows_more(
    rounds: list[dict[str, Path]],
) -> None:
    chances: dict[str, float] = defaultdict(float)
    for line in rounds[-1]["truth"].read_bytes().splitlines():
        told = json.loads(line)
        if "trigger" in told:
            chances[told["trigger"]] = told["answered"]
    examples = [
        data
        for line in rounds[-1]["examples"].read_bytes().splitlines()
        if (data := json.loads(line)["data"])["model"] == "response_email"
        and data["score"] is not None
    ]
    outcomes = np.array([data["outcome"] for data in examples])
    ours = quality_of(np.array([data["score"] for data in examples]), outcomes)
    truth = quality_of(np.array([chances[data["trigger"]] for data in examples]), outcomes)
    assert len(examples) > 1_500
    assert 0.6 < ours.roc_auc < truth.roc_auc
    assert truth.calibration_error < 0.05
