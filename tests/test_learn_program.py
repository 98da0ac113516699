"""Terms: each word against numpy, the recipe against issue 6, and the same bits in any batch."""

from __future__ import annotations

import math

import numpy as np
import pytest

from config.terms import Step, TermProgram
from flows.learn_program import ProgramError, compiled_program, terms_of
from tests.learning import FEATURES, POISON, RECIPE, default_recipe, issue_terms, made_up

MISSING = math.nan


def value(word: str, *inputs: float, constants: tuple[float, ...] = ()) -> float:
    """What one step makes of its inputs."""
    names = ("a", "b")[: len(inputs)]
    step = Step(name="it", word=word, inputs=names, constants=constants)
    program = compiled_program(TermProgram(features=names, steps=(step,), terms=("it",)))
    return float(terms_of(program, np.array([inputs]))[0, 0])


@pytest.mark.parametrize(
    ("word", "inputs", "constants", "expected"),
    [
        ("log1p", (3.0,), (), math.log(4.0)),
        ("log1p", (-3.0,), (), 0.0),
        ("log", (2.0,), (), math.log(2.0)),
        ("log", (0.0,), (), math.log(1e-9)),
        ("log_expm1", (2.0,), (), math.log(math.expm1(2.0))),
        ("log_expm1", (1e9,), (), 1e9),
        ("log_expm1", (0.0,), (), math.log(1e-9)),
        ("linear", (3.0,), (2.0, 1.0), 7.0),
        ("clip", (3.0,), (0.0, 2.0), 2.0),
        ("clip", (-3.0,), (0.0, 2.0), 0.0),
        ("hinge", (3.0,), (2.0,), 1.0),
        ("hinge", (1.0,), (2.0,), 0.0),
        ("sum", (3.0, 4.0), (), 7.0),
        ("product", (3.0, 4.0), (), 12.0),
        ("ratio", (3.0, 4.0), (1.0,), 0.75),
        ("ratio", (3.0, 0.0), (1.0,), 3.0),
        ("equals", (2.0,), (2.0,), 1.0),
        ("equals", (MISSING,), (2.0,), 0.0),
        ("filled", (MISSING,), (5.0,), 5.0),
        ("filled", (1.0,), (5.0,), 1.0),
        ("first_of", (MISSING, 4.0), (), 4.0),
        ("first_of", (3.0, 4.0), (), 3.0),
    ],
)
def test_each_word_computes_what_its_table_says(
    word: str, inputs: tuple[float, ...], constants: tuple[float, ...], expected: float
) -> None:
    assert value(word, *inputs, constants=constants) == expected


@pytest.mark.parametrize("word", ["log1p", "log", "log_expm1"])
def test_what_needs_a_missing_feature_is_missing(word: str) -> None:
    assert math.isnan(value(word, MISSING))
    assert math.isnan(value("product", 1.0, MISSING))
    assert math.isnan(value("ratio", MISSING, 1.0, constants=(1.0,)))


@pytest.mark.parametrize("poison", POISON)
def test_what_no_feature_can_be_counts_as_missing(poison: float) -> None:
    assert math.isnan(value("linear", poison, constants=(1.0, 0.0)))


@pytest.mark.parametrize(("name", "days"), [("purchase_7d", 7.0), ("purchase_30d", 30.0)])
def test_the_default_terms_are_those_of_issue_6(name: str, days: float) -> None:
    features, _ = made_up(500)
    recipe = default_recipe(name)
    assert recipe.program.terms == RECIPE.program.terms
    terms = terms_of(compiled_program(recipe.program), features)
    np.testing.assert_allclose(terms, issue_terms(features, days), rtol=1e-9, atol=1e-9)


def test_a_row_alone_has_the_same_terms_as_in_a_batch_bit_by_bit() -> None:
    features, _ = made_up(200)
    program = compiled_program(RECIPE.program)
    together = terms_of(program, features)
    alone = np.vstack([terms_of(program, row[None, :]) for row in features])
    assert together.tobytes() == alone.tobytes()


def test_rows_of_another_width_never_reach_the_compiled_loop() -> None:
    program = compiled_program(RECIPE.program)
    for shape in ((3, len(FEATURES) - 1), (len(FEATURES),)):
        with pytest.raises(AssertionError, match=f"a row is {len(FEATURES)} features"):
            terms_of(program, np.zeros(shape))


def test_a_wrong_program_is_refused_with_all_that_is_wrong() -> None:
    steps = (
        Step(name="a", word="log1p", inputs=("b",)),
        Step(name="c", word="cube", inputs=("a",)),
        Step(name="d", word="clip", inputs=("a",), constants=(1.0,)),
        Step(name="e", word="hinge", inputs=("a",), constants=(math.inf,)),
    )
    with pytest.raises(ProgramError) as refused:
        compiled_program(TermProgram(features=("a",), steps=steps, terms=("z",)))
    told = str(refused.value)
    for part in (
        "a: unknown input 'b'",
        "a: expected a name of its own",
        "c: expected one of log1p",
        "d: clip takes 2 constants, got 1",
        "e: expected finite constants",
        "terms: unknown name 'z'",
    ):
        assert part in told
