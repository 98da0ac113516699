"""Whatever stands in a rule or a config file, it loads or its problems are told."""

from __future__ import annotations

import random
import tempfile
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from config.expressions import Fault, names_in, parse_expression, source_of
from config.load import PACKAGED, load
from config.problems import ConfigError
from config.rules import compile_rule
from config.schema import Config, Feature, Program
from config.term_steps import Steps, program_of
from config.term_writer import TERM, Seen, TermWriter
from tests.config_folders import write_minimal
from tests.rule_evaluation import evaluate
from tests.test_rules import EVENT, FEATURES, SCOPE, TAGS

SECONDS_MAX = 2.0
FILES = (
    "shop.toml",
    "events.toml",
    "features.toml",
    "tags.toml",
    "models.toml",
    "journeys/abandoned_cart.toml",
)
PIECES = (
    *(
        "views",
        "orders",
        "country",
        "recent",
        "gap",
        "many",
        "broken",
        "tags.vip",
        "tags.",
        "event.",
    ),
    *(
        "event.price",
        "propensity.x",
        "has(",
        "min(",
        "max(",
        "abs(",
        "(",
        ")",
        ",",
        " and ",
        " or ",
    ),
    *(
        " not ",
        " in ",
        "==",
        "!=",
        "<",
        "<=",
        ">",
        ">=",
        "+",
        "-",
        "*",
        "/",
        "**",
        "1",
        "2.5",
        "1e9",
    ),
    *(
        "'DE'",
        '"',
        "'",
        "\\",
        "\n",
        "[",
        "]",
        "{",
        "}",
        ":",
        ":=",
        "lambda",
        "f'",
        "\0",
        "#",
        "\ud800",
    ),
)
TOML_PIECES = (
    *(
        "\n",
        "[",
        "]",
        "[[",
        "]]",
        "{",
        "}",
        "=",
        ".",
        ",",
        '"',
        "'",
        '"""',
        "#",
        "true",
        "nan",
        "inf",
    ),
    *(
        "-1",
        "0",
        "1e400",
        "2026-01-01",
        '"30m"',
        '"1d"',
        "[]",
        "{}",
        "\n[stage.x]\n",
        "\n[entry]\n",
    ),
    *("fields", "kind", "events", "when", "keep", "pick", "thresholds", "of", "window", "\ufeff"),
)


def check_rule(text: str) -> None:
    start = time.process_time()
    outcome = compile_rule(text, SCOPE)
    names_in(text)
    assert time.process_time() - start < SECONDS_MAX
    if isinstance(outcome, Program):
        evaluate(outcome, FEATURES, TAGS, EVENT)
    else:
        assert all(isinstance(fault, Fault) and fault.message for fault in outcome)
        "".join(fault.message for fault in outcome).encode()


@settings(max_examples=300, deadline=None)
@given(st.lists(st.sampled_from(PIECES), max_size=30).map("".join))
def test_rules_of_random_pieces_compile_or_have_faults(text: str) -> None:
    check_rule(text)


@settings(max_examples=100, deadline=None)
@given(st.text(st.characters(codec=None), max_size=50))
def test_random_texts_are_rules_or_have_faults(text: str) -> None:
    check_rule(text)


@settings(max_examples=100, deadline=None)
@given(st.sampled_from(PIECES), st.integers(1, 3_000), st.sampled_from(PIECES))
def test_a_piece_repeated_without_end_is_a_fault_and_no_hang(
    piece: str, count: int, last: str
) -> None:
    check_rule(piece * count + last)


TERM_PIECES = (
    *("orders", "gap", "many", "horizon_days", "above", "below", "broken", "country", "1", "2.5"),
    *("log1p(", "log(", "log_expm1(", "clip(", "hinge(", "first_of(", "min(", "max(", "abs("),
    *("+", "-", "*", "/", "**", "==", "<", "(", ")", ",", " and ", "not ", "'", "tags.", "1e999"),
)
SEEN = Seen(
    features={
        "orders": Feature(name="orders", kind="count", value="number"),
        "gap": Feature(name="gap", kind="gap", value="number"),
        "country": Feature(name="country", kind="last", value="text"),
    },
    numbers={"many": 3.0, "horizon_days": 30.0},
    above={"above": "above", "broken": None},
    below=("below",),
    itself="written",
)


def check_term(text: str) -> None:
    start = time.process_time()
    tree = parse_expression(text, TERM)
    if not isinstance(tree, Fault):
        steps = Steps()
        writer = TermWriter(source_of(text), SEEN, steps)
        value = writer.write_term(tree)
        if value is not None:
            steps.define("it", value)
            program = program_of(steps.named.values(), ("it",))
            assert set(program.features) <= {"orders", "gap", "above"}
        assert value is not None or writer.faults or "broken" in text
        "".join(fault.message for fault in writer.faults).encode()
    assert time.process_time() - start < SECONDS_MAX


@settings(max_examples=300, deadline=None)
@given(st.lists(st.sampled_from(TERM_PIECES), max_size=30).map("".join))
def test_terms_of_random_pieces_are_steps_or_have_faults(text: str) -> None:
    check_term(text)


@settings(max_examples=100, deadline=None)
@given(st.sampled_from(TERM_PIECES), st.integers(1, 1_000), st.sampled_from(TERM_PIECES))
def test_a_piece_of_a_term_without_end_is_a_fault_and_no_hang(
    piece: str, count: int, last: str
) -> None:
    check_term(piece * count + last)


def check_folder(file: str, content: bytes) -> None:
    """The minimal config with this file loads, or its problems can be told."""
    with tempfile.TemporaryDirectory() as name:
        folder = write_minimal(Path(name))
        for default in FILES:
            (folder / default).parent.mkdir(exist_ok=True)
            (folder / default).write_bytes((PACKAGED / default).read_bytes())
        (folder / file).write_bytes(content)
        start = time.process_time()
        try:
            assert isinstance(load(folder), Config)
        except ConfigError as error:
            assert error.problems
            str(error).encode()
        assert time.process_time() - start < SECONDS_MAX


def mutated(text: str, seed: int) -> str:
    """The text with a few pieces cut out, moved or put in."""
    chance = random.Random(seed)
    for _ in range(chance.randint(1, 6)):
        start = chance.randrange(len(text) + 1)
        end = min(len(text), start + chance.choice((0, 0, 1, 3, 12, 80)))
        put_in = chance.choice(
            (*TOML_PIECES, *PIECES, "", text[start:end] * 2, text[: end - start])
        )
        text = text[:start] + put_in + text[end:]
    return text


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.sampled_from(FILES), st.integers(0, 2**32))
def test_a_mutated_default_file_loads_or_its_problems_are_told(file: str, seed: int) -> None:
    text = mutated((PACKAGED / file).read_text("utf-8"), seed)
    check_folder(file, text.encode("utf-8", "surrogatepass"))


VALUES = st.recursive(
    st.sampled_from(
        [
            "1",
            "-1",
            "0.5",
            "nan",
            "inf",
            "true",
            '"x"',
            '""',
            '"30m"',
            '"views_1h > 1"',
            "2026-01-01",
        ]
    )
    | st.integers().map(str),
    lambda inner: (
        st.lists(inner, max_size=3).map(lambda parts: f"[{', '.join(parts)}]")
        | st.dictionaries(st.sampled_from("abc"), inner, max_size=3).map(
            lambda parts: "{" + ", ".join(f"{key} = {value}" for key, value in parts.items()) + "}"
        )
    ),
    max_leaves=4,
)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.sampled_from(FILES), st.integers(0, 10_000), VALUES)
def test_any_value_in_the_place_of_any_other_is_used_or_told(
    file: str, number: int, value: str
) -> None:
    lines = (PACKAGED / file).read_text("utf-8").split("\n")
    settings_at = [index for index, line in enumerate(lines) if " = " in line and line[0] != "#"]
    at = settings_at[number % len(settings_at)]
    lines[at] = f"{lines[at].split('=')[0]}= {value}"
    check_folder(file, "\n".join(lines).encode())


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(FILES), st.binary(max_size=200))
def test_random_bytes_are_told(file: str, content: bytes) -> None:
    check_folder(file, content)


MANY_LONG_TERMS = (
    "[terms]\n"
    + "".join(f"t{number} = '{'log1p(log1p(orders_total)) + ' * 28}5'\n" for number in range(100))
    + f"[set.all]\nprior = 1\nterms = {[f't{number}' for number in range(100)]}\n"
    + "".join(
        f"[model.m{days}]\noutcome = ['page']\nwithin = '{days}d'\nevery = '9d'\ndefault = 0\n"
        "sets = ['all']\n"
        for days in range(1, 9)
    )
)


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("features.toml", "".join(f"[f{index}]\nkind = 1\n" for index in range(15_000))),
        ("events.toml", "".join(f"[e{index}]\nx = 1\n" for index in range(15_000))),
        ("tags.toml", "".join(f"t{index} = 'view_1h > spend_36d'\n" for index in range(8_000))),
        ("tags.toml", "[thresholds]\n" + "".join(f"t{index} = 1\n" for index in range(20_000))),
        (
            "models.toml",
            "[terms]\n" + "".join(f"t{i} = 'orders_totl + vews'\n" for i in range(9_000)),
        ),
        ("models.toml", MANY_LONG_TERMS),
        ("shop.toml", "[vocabulary]\n" + "".join(f"w{index} = 'x'\n" for index in range(15_000))),
        ("shop.toml", "".join(f"curency{index} = 1\n" for index in range(15_000))),
        ("events.toml", "[x]\nrequire = [" + "'a',\n" * 50_000 + "]\n"),
        ("journeys/abandoned_cart.toml", "channels = [" + "'a',\n" * 50_000 + "]\n"),
    ],
)
def test_a_file_full_of_mistakes_takes_bounded_time(file: str, text: str) -> None:
    check_folder(file, text.encode())
