"""Terms: each word against numpy, the recipe against issue 6, and the same bits in any batch."""

from __future__ import annotations

import math

import numpy as np
import pytest

from config.terms import Step, TermProgram
from flows.learn_program import ProgramError, compiled_program, terms_of
from flows.learn_recipe import ORDER_FEATURES, purchase_recipe
from tests.learning import POISON, interaction_terms, made_up, rate_terms

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


def test_the_recipe_computes_the_terms_of_issue_6() -> None:
    features, _ = made_up(500)
    program = compiled_program(purchase_recipe(30.0).program)
    expected = np.column_stack([rate_terms(features, 30.0), interaction_terms(features)])
    np.testing.assert_allclose(terms_of(program, features), expected, rtol=1e-9, atol=1e-9)


def test_a_row_alone_has_the_same_terms_as_in_a_batch_bit_by_bit() -> None:
    features, _ = made_up(200)
    program = compiled_program(purchase_recipe(7.0).program)
    together = terms_of(program, features)
    alone = np.vstack([terms_of(program, row[None, :]) for row in features])
    assert together.tobytes() == alone.tobytes()


def test_rows_of_another_width_never_reach_the_compiled_loop() -> None:
    program = compiled_program(purchase_recipe(7.0).program)
    for shape in ((3, len(ORDER_FEATURES) - 1), (len(ORDER_FEATURES),)):
        with pytest.raises(AssertionError, match="a row is 15 features"):
            terms_of(program, np.zeros(shape))


def test_who_never_ordered_has_finite_terms_and_waits_as_long_as_he_is_known() -> None:
    recipe = purchase_recipe(7.0, more=("sessions_30d",))
    features = np.full((1, len(recipe.program.features)), np.nan)
    features[0, ORDER_FEATURES.index("days_known")] = 12.0
    terms = dict(
        zip(
            recipe.program.terms,
            terms_of(compiled_program(recipe.program), features)[0].tolist(),
            strict=True,
        )
    )
    assert all(math.isfinite(term) for term in terms.values())
    assert terms["log1p(days_since_order)"] == math.log1p(12.0)
    assert terms["log1p(sessions_30d)"] == 0.0


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
