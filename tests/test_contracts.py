"""The contract with gateways: schemas are official, fresh and what the engine really sends."""

from __future__ import annotations

import copy
import json
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import pytest
from jsonschema import Draft7Validator, Draft202012Validator, FormatChecker
from msgspec import Struct, inspect, structs

from config.load import load
from connectors.asyncapi import asyncapi_document
from connectors.contract_fields import FIELDS, SUPPRESSION_MEANINGS
from connectors.contract_files import DOCS, EXAMPLE, example, generated
from connectors.contracts import MESSAGES, Message, document_of
from connectors.dead_letters import DeadLetterLine
from connectors.late import TOO_LATE
from connectors.triggers import CloudEvent, Decided, Example, GoalReached, Turned
from flows.output import REASONS
from tests.conftest import ROOT, Run
from tests.running import run_engine
from tests.running_models import run_models
from tests.test_models_against_oracle import PLANTED
from tests.worlds import make_model_world, make_world

OFFICIAL = ROOT / "tests" / "contracts"
PAGE = (DOCS / "triggers.md").read_text()
BY_NAME = {message.name: message for message in MESSAGES}
EXAMPLES = {message.name: example(message) for message in MESSAGES}
FORMATS = FormatChecker(formats=())


@FORMATS.checks("date-time", raises=ValueError)
def is_instant(value: object) -> bool:
    return datetime.fromisoformat(str(value)).tzinfo is not None


def official(name: str) -> Draft7Validator:
    schema = json.loads((OFFICIAL / name).read_text())
    return Draft7Validator(schema, format_checker=FORMATS)


def tolerant(message: Message) -> Draft202012Validator:
    """What a gateway checks by."""
    return Draft202012Validator(document_of(message), format_checker=FORMATS)


def strict(message: Message) -> Draft202012Validator:
    """What our own tests check by: nothing may be there that the schema does not name."""
    return Draft202012Validator(closed(document_of(message)), format_checker=FORMATS)


def closed(schema: Any) -> Any:
    """The schema with no room for fields that it does not name."""
    if isinstance(schema, list):
        return [closed(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    parts = {key: closed(part) for key, part in schema.items()}
    return {"additionalProperties": False, **parts} if "properties" in parts else parts


STRICT = {message.event_type: strict(message) for message in MESSAGES}


def problems(event: Any) -> list[str]:
    return [error.message for error in STRICT[event.get("type")].iter_errors(event)]


def code_block(opening: str) -> str:
    """The Python of the page that has this in its first line."""
    blocks: list[str] = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    return next(block for block in blocks if opening in block.splitlines()[0])


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: message.name)
def test_each_schema_is_valid_by_the_official_metaschema(message: Message) -> None:
    Draft202012Validator.check_schema(document_of(message))


def test_the_asyncapi_document_is_valid_by_the_official_schema() -> None:
    document = asyncapi_document(EXAMPLES)
    errors = [error.message for error in official("asyncapi-3.0.0.json").iter_errors(document)]
    assert not errors
    topics = [channel["address"] for channel in document["channels"].values()]
    assert topics == [message.topic for message in MESSAGES]


@pytest.mark.parametrize("spoil", ["info", "action", "address", "key"])
def test_the_official_schema_of_asyncapi_refuses_a_spoilt_document(spoil: str) -> None:
    document = asyncapi_document(EXAMPLES)
    match spoil:
        case "info":
            del document["info"]
        case "action":
            document["operations"]["receive_tag"]["action"] = "listen"
        case "address":
            document["channels"]["tag"]["address"] = 5
        case "key":
            document["components"]["messages"]["tag"]["bindings"]["kafka"]["keys"] = {}
    assert not official("asyncapi-3.0.0.json").is_valid(document)


def test_every_reference_in_the_asyncapi_document_leads_somewhere() -> None:
    document = asyncapi_document(EXAMPLES)
    references = re.findall(r'"\$ref": "#/([^"]+)"', json.dumps(document))
    assert len(references) >= 4 * len(MESSAGES)
    for reference in references:
        place: Any = document
        for key in reference.split("/"):
            place = place[key]
        assert place


@pytest.mark.parametrize("path", generated(), ids=lambda path: path.name)
def test_generated_files_are_fresh(path: Path) -> None:
    fix = "run `python -m connectors.contract_files`"
    assert path.read_text() == generated()[path], f"{path.name} is out of date: {fix}"


def test_the_example_is_what_a_replay_of_its_events_gives(run: Run, tmp_path: Path) -> None:
    names = ("triggers", "decisions", "tags", "examples", "dead_letters")
    outputs = [
        word
        for name in names
        for word in (f"--{name.replace('_', '-')}", tmp_path / f"{name}.jsonl")
    ]
    ended = run("replay", EXAMPLE / "events.jsonl", "--config", EXAMPLE / "config", *outputs)
    assert ended.code == 0, ended.err
    for name in names:
        made = (tmp_path / f"{name}.jsonl").read_bytes()
        fix = "run the replay at the end of docs/triggers.md, then connectors.contract_files"
        assert made == (EXAMPLE / f"{name}.jsonl").read_bytes(), f"{name}: {fix}"


def structs_inside(struct: type[Struct]) -> Iterator[type[Struct]]:
    """A type of messages and those of the objects in it."""
    yield struct
    for field in structs.fields(struct):
        if (struct, field.name) != (CloudEvent, "data"):
            kind = inspect.type_info(field.type)
            inner = kind.item_type if isinstance(kind, inspect.ListType) else kind
            inner = inner.value_type if isinstance(inner, inspect.DictType) else inner
            if isinstance(inner, inspect.StructType):
                yield from structs_inside(inner.cls)


def test_every_field_has_a_sentence_and_no_other_has() -> None:
    bodies = (CloudEvent, Decided, GoalReached, Turned, Example, DeadLetterLine)
    expected = {struct for body in bodies for struct in structs_inside(body)}
    assert set(FIELDS) == expected
    for struct, fields in FIELDS.items():
        assert tuple(fields) == struct.__struct_fields__, struct
        assert all(field.about.endswith(".") for field in fields.values()), struct


def test_the_reasons_are_those_of_the_engine_and_mean_the_same_everywhere() -> None:
    assert tuple(SUPPRESSION_MEANINGS) == (*REASONS.values(), TOO_LATE)
    operations = (DOCS / "operations.md").read_text()
    for reason, meaning in SUPPRESSION_MEANINGS.items():
        assert f"| `{reason}` | {meaning} |" in operations


def test_all_that_a_shop_s_replay_sends_is_what_the_schemas_say(shop_log: Sequence[bytes]) -> None:
    cloud_event = official("cloudevents-1.0.json")
    world = run_engine(load(None), list(shop_log))
    events = world.decisions + world.transitions
    types = {event["type"] for event in events}
    assert types == {"beckon.trigger", "beckon.suppressed", "beckon.goal", "beckon.tag"}
    for event in events:
        assert not problems(event), event
        assert cloud_event.is_valid(event), event
        assert all(re.fullmatch("[a-z0-9]+", name) for name in event), "CloudEvents: names"


@pytest.mark.parametrize("seed", range(4))
def test_all_that_a_random_world_sends_is_what_the_schemas_say(seed: int, tmp_path: Path) -> None:
    world = make_world(seed, tmp_path / "config")
    found = run_engine(world.config, world.lines)
    assert found.decisions
    for event in found.decisions + found.transitions:
        assert not problems(event), event


@pytest.mark.parametrize("seed", PLANTED)
def test_all_that_a_random_world_with_models_sends_is_what_the_schemas_say(
    seed: int, tmp_path: Path
) -> None:
    given = make_model_world(seed, tmp_path / "config")
    told = run_models(given, Random(seed))
    assert told.examples
    for event in told.examples + told.world.decisions + told.world.transitions:
        assert not problems(event), event


def test_dead_letters_are_what_their_schema_says(run: Run, tmp_path: Path) -> None:
    broken = tmp_path / "events.jsonl"
    broken.write_bytes(b'{"type":"track"}\n[]\n\xff\xfe\n{"type":"track","userId":7}\n')
    letters = tmp_path / "letters.jsonl"
    assert run("replay", broken, "--dead-letters", letters).code == 0
    found = [json.loads(line) for line in letters.read_text().splitlines()]
    assert len(found) == 4
    assert sum("value_base64" in letter for letter in found) == 1
    assert not [problem for letter in found for problem in problems(letter)]


def places(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """The paths of all fields of a message that a schema names, with those in lists."""
    if isinstance(value, dict):
        for key, part in value.items():
            yield (*path, key)
            if key not in ("features", "scores"):
                yield from places(part, (*path, key))
    elif isinstance(value, list):
        for at, part in enumerate(value):
            yield from places(part, (*path, at))


def holder(message: Any, path: Sequence[str | int]) -> Any:
    """What holds the field at the end of a path."""
    for key in path[:-1]:
        message = message[key]
    return message


FIELDS_OF_EXAMPLES = [
    (name, path) for name, message in EXAMPLES.items() for path in places(message)
]


@pytest.mark.parametrize(("name", "path"), FIELDS_OF_EXAMPLES, ids=str)
def test_a_message_without_one_of_its_fields_or_with_an_odd_value_is_refused(
    name: str, path: tuple[str | int, ...]
) -> None:
    check = tolerant(BY_NAME[name])
    lacking, odd = copy.deepcopy(EXAMPLES[name]), copy.deepcopy(EXAMPLES[name])
    del holder(lacking, path)[path[-1]]
    holder(odd, path)[path[-1]] = [{"odd": True}]
    assert not check.is_valid(lacking)
    assert not check.is_valid(odd)


BROKEN: list[tuple[str, str, Any]] = [
    ("trigger", "specversion", "2.0"),
    ("trigger", "id", EXAMPLES["trigger"]["id"].upper()),
    ("trigger", "type", "beckon.suppressed"),
    ("trigger", "subject", ""),
    ("trigger", "time", "2026-03-02T09:36:12Z"),
    ("trigger", "time", "2026-03-02T09:36:12.000+01:00"),
    ("trigger", "expirytime", "2026-13-02T11:36:12.000Z"),
    ("trigger", "data.channel", None),
    ("trigger", "data.offset", -2),
    ("trigger", "data.offset", 1.5),
    ("trigger", "data.features", {"spend": None}),
    ("trigger", "data.features", {"recent_items": [5]}),
    ("trigger", "data.scores", {"churn": "high"}),
    ("trigger", "data.tags", {"intent": True}),
    ("suppressed", "data.reason", "mood"),
    ("goal", "data.held_out", 0),
    ("tag", "data.held", "yes"),
    ("dead_letter", "reason", "rule"),
    ("dead_letter", "value_base64", "e30="),
]


@pytest.mark.parametrize(("name", "place", "value"), BROKEN, ids=str)
def test_a_message_with_a_wrong_value_is_refused(name: str, place: str, value: Any) -> None:
    message, path = copy.deepcopy(EXAMPLES[name]), place.split(".")
    holder(message, path)[path[-1]] = value
    assert not tolerant(BY_NAME[name]).is_valid(message)


@pytest.mark.parametrize("name", EXAMPLES)
def test_a_gateway_s_check_lets_new_fields_pass_and_ours_does_not(name: str) -> None:
    message = copy.deepcopy(EXAMPLES[name])
    assert not problems(message)
    message["later"] = message.get("data", message)["added"] = "by a newer Beckon"
    assert tolerant(BY_NAME[name]).is_valid(message)
    assert len(problems(message)) >= 1


def test_every_field_of_the_trigger_shown_is_explained_on_the_page() -> None:
    explained = set(re.findall(r"^\| `([\w.\[\]]+)` \|", PAGE, re.MULTILINE))
    shown = {
        re.sub(r"\.\d+", "[]", ".".join(map(str, path)))
        for path in places(EXAMPLES["trigger"])
        if isinstance(path[-1], str)
    }
    named = {place for place in shown if not re.search(r"(features|scores)\.", place)}
    assert len(named) > 25
    assert named <= explained


def write_gateway(folder: Path) -> None:
    (folder / "gateway.py").write_text(code_block("gateway.py: acts on"))


def run_gateway(folder: Path, events: Path) -> list[str]:
    """The lines that the page's gateway prints for the events of a file."""
    command = [sys.executable, "gateway.py", str(events)]
    ended = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
    return ended.stdout.splitlines()


def test_the_gateway_of_the_page_sends_each_trigger_of_a_file_once(tmp_path: Path) -> None:
    write_gateway(tmp_path)
    id_of = EXAMPLES["trigger"]["id"]
    first = run_gateway(tmp_path, EXAMPLE / "triggers.jsonl")
    assert "push cart_reminder to mia" in first
    assert f"{id_of} sent" in first
    again = run_gateway(tmp_path, EXAMPLE / "triggers.jsonl")
    assert f"{id_of} repeated" in again
    assert "push cart_reminder to mia" not in again


def test_the_gateway_of_the_page_passes_over_all_but_triggers(tmp_path: Path) -> None:
    write_gateway(tmp_path)
    words = run_gateway(tmp_path, EXAMPLE / "decisions.jsonl")
    assert sum(word.endswith(" sent") for word in words) == 2
    assert sum(word.endswith(" passed over") for word in words) > 5
    assert not [word for word in words if "cleo" in word], "held out"


def test_the_gateway_of_the_page_sends_nothing_after_its_expiry(tmp_path: Path) -> None:
    write_gateway(tmp_path)
    until = datetime.fromisoformat(EXAMPLES["trigger"]["expirytime"])
    (tmp_path / "try_it.py").write_text(
        "import json, sys\n"
        "from datetime import datetime\n"
        "import gateway\n"
        "event = json.loads(sys.argv[1])\n"
        "for now in sys.argv[2:]:\n"
        "    print(gateway.act_on(event, datetime.fromisoformat(now)))\n"
        "gateway.done.close()\n"
    )
    late, in_time = until + timedelta(milliseconds=1), until
    arguments = [json.dumps(EXAMPLES["trigger"]), late.isoformat(), in_time.isoformat()]
    command = [sys.executable, "try_it.py", *arguments]
    ended = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert ended.stdout.splitlines() == ["too late", "push cart_reminder to mia", "sent"]


def test_the_gateway_on_a_topic_reads_what_is_committed_and_commits_itself() -> None:
    code = code_block("kafka_gateway.py")
    compile(code, "kafka_gateway.py", "exec")
    for needed in ('"isolation.level": "read_committed"', '"enable.auto.commit": False'):
        assert needed in code
    assert f'subscribe(["{BY_NAME["trigger"].topic}"])' in code


def test_the_report_of_a_delivery_is_an_event_that_beckon_takes(run: Run, tmp_path: Path) -> None:
    report = next(
        block for block in re.findall(r"```json\n(.*?)```", PAGE, re.S) if '"track",' in block
    )
    event = json.loads(report)
    assert event["properties"]["trigger_id"] == EXAMPLES["trigger"]["id"]
    events = tmp_path / "events.jsonl"
    events.write_text(json.dumps(event) + "\n")
    ended = run("replay", events, "--json")
    assert ended.code == 0
    assert json.loads(ended.out)["events"] == 1
    names = set(re.findall(r'"((?:Email|Push Notification)[\w\s]+)"', PAGE))
    known = {event.name for event in load(None).events}
    assert {" ".join(name.split()) for name in names} <= known
