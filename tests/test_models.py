"""models.toml: its terms compute what they say, and the defaults what was measured."""

from __future__ import annotations

import math
from pathlib import Path
from random import Random

import numpy as np
import pytest
from numpy.typing import NDArray

from config.load import load
from config.problems import ConfigError
from config.schema import Config, Model
from config.terms import TermProgram
from flows.learn_program import compiled_program, terms_of
from tests.config_folders import copy_shop, edit, problems_of, write_minimal
from tests.plain_terms import Named, plain_value

MISSING = math.nan
FEATURES = ("a", "b", "c")
VALUES = (0.0, 1.0, 2.0, 0.25, 7.5, 40.0, -3.0, MISSING, 1e7)


def term_config(folder: Path, *terms: str, within: str = "30d") -> Config:
    """A config with a model that reads these terms, named t0, t1 and so on."""
    features = "".join(
        f'[{name}]\nkind = "count"\nevents = ["Product Viewed"]\n' for name in FEATURES
    )
    names = [f"t{number}" for number in range(len(terms))]
    write_minimal(folder)
    (folder / "features.toml").write_text(features)
    (folder / "models.toml").write_text(
        "[terms]\n"
        + "".join(f'{name} = "{text}"\n' for name, text in zip(names, terms, strict=True))
        + f"[set.all]\nprior = 10\nterms = {names}\n"
        + '[model.m]\noutcome = ["Product Viewed"]\n'
        + f'within = "{within}"\nevery = "{within}"\ndefault = 0\nsets = ["all"]\n'
    )
    return load(folder)


def values_of(program: TermProgram, rows: list[Named]) -> NDArray[np.float64]:
    """The terms of rows of named features."""
    features = np.array([[row[name] for name in program.features] for row in rows])
    return terms_of(compiled_program(program), features)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a + 2", 9.5),
        ("2 - a", -5.5),
        ("a - b", 5.5),
        ("-a", -7.5),
        ("+a", 7.5),
        ("2 * a", 15.0),
        ("a * b", 15.0),
        ("a / 4", 1.875),
        ("a / max(b, 3)", 2.5),
        ("6 / max(b, 3)", 2.0),
        ("a / clip(b, 0.5, 1.5)", 5.0),
        ("a == 7.5", 1.0),
        ("a == 2 + 5", 0.0),
        ("c == 0", 0.0),
        ("min(a, 3)", 3.0),
        ("min(3, a)", 3.0),
        ("max(a, 10)", 10.0),
        ("clip(a, 1, 5)", 5.0),
        ("hinge(a, 5)", 2.5),
        ("hinge(a, log1p(0.5 + 0.5))", 7.5 - math.log1p(1.0)),
        ("log1p(a)", math.log1p(7.5)),
        ("log(a)", math.log(7.5)),
        ("log_expm1(a)", math.log(math.expm1(7.5))),
        ("first_of(c, a)", 7.5),
        ("first_of(c, c, 5)", 5.0),
        ("first_of(a, 5)", 7.5),
        ("c + 1", MISSING),
        ("6 / max(c, 3)", MISSING),
        ("horizon_days * a", 225.0),
        ("a", 7.5),
    ],
)
def test_a_term_is_what_its_expression_says(text: str, expected: float, tmp_path: Path) -> None:
    program = term_config(tmp_path, text).models[0].recipe.program
    ((value,),) = values_of(program, [{"a": 7.5, "b": 2.0, "c": MISSING}]).tolist()
    assert value == pytest.approx(expected, nan_ok=True, rel=1e-15)


def expression(random: Random, depth: int, names: list[str]) -> str:
    """A random term over these names."""
    if depth == 0 or random.random() < 0.15:
        return random.choice(names)
    inner = expression(random, depth - 1, names)
    other = expression(random, depth - 1, names)
    number = random.choice(("0.5", "1", "3", "horizon_days", "log1p(7)"))
    return random.choice(
        (
            f"({inner} + {other})",
            f"({inner} - {other})",
            f"{inner} * {other}",
            f"({number} - {inner})",
            f"{inner} / max({other}, {number})",
            f"({inner} == {number})",
            f"log1p({inner})",
            f"hinge({inner}, {number})",
            f"clip({inner}, -1, 5)",
            f"min({inner}, {number})",
            f"first_of({inner}, {other})",
            f"first_of({inner}, {number})",
        )
    )


def test_random_terms_are_what_a_plain_reading_of_them_gives(tmp_path: Path) -> None:
    random = Random(11)
    rows = [{name: random.choice(VALUES) for name in FEATURES} for _ in range(40)]
    for world in range(12):
        names = [*FEATURES]
        texts = []
        for number in range(8):
            texts.append(expression(random, 4, names))
            names.append(f"t{number}")
        program = term_config(tmp_path, *texts, within="7d").models[0].recipe.program
        values = values_of(program, rows)
        for row, got in zip(rows, values, strict=True):
            named = row | {"horizon_days": 7.0}
            for number, text in enumerate(texts):
                named[f"t{number}"] = plain_value(text, named)
            wanted = [named[f"t{number}"] for number in range(len(texts))]
            np.testing.assert_allclose(got, wanted, rtol=1e-9, err_msg=f"world {world}: {texts}")


def test_what_several_terms_read_is_computed_once(tmp_path: Path) -> None:
    texts = ("log1p(first_of(a, 0)) * b", "log1p(first_of(a, 0)) + 1", "first_of(a, 0)")
    program = term_config(tmp_path, *texts).models[0].recipe.program
    words = [step.word for step in program.steps]
    assert (words.count("log1p"), words.count("filled")) == (1, 1)
    assert program.terms == ("t0", "t1", "t2")


def default(name: str) -> Model:
    """A model of the default config."""
    return next(model for model in load().models if model.name == name)


def test_the_time_since_the_first_order_follows_from_the_gaps() -> None:
    program = default("purchase_30d").recipe.program
    row = {name: 1.0 for name in program.features}
    once = row | {"orders_total": 1.0, "usual_gap_days": MISSING, "days_since_order": 12.0}
    often = row | {"orders_total": 4.0, "usual_gap_days": 20.0, "days_since_order": 12.0}
    tenure = values_of(program, [once, often])[:, program.terms.index("tenure")]
    assert tenure.tolist() == [math.log1p(12.0), math.log1p(72.0)]


def test_the_default_models_are_those_of_the_issue() -> None:
    names = [model.name for model in load().models]
    assert names == ["purchase_7d", "purchase_30d", "churn_30d", "response_email"]
    purchase, churn = default("purchase_30d"), default("churn_30d")
    assert (churn.complement, churn.default) == ("purchase_30d", 1.0 - purchase.default)
    assert churn.recipe == purchase.recipe
    features = load().features
    assert [features[index].name for index in purchase.features] == [
        *purchase.recipe.program.features
    ]
    answer = default("response_email")
    assert (answer.every_ms, answer.channel, answer.within_ms) == (0, "email", 3 * 86_400_000)


def test_without_the_file_there_are_no_models_and_the_version_is_as_it_was(tmp_path: Path) -> None:
    folder = write_minimal(tmp_path)
    alone = load(folder)
    assert alone.models == ()
    (folder / "models.toml").write_text("")
    assert load(folder).version == alone.version == "98375da4440e"


def test_models_are_part_of_the_version(tmp_path: Path) -> None:
    folder = copy_shop(tmp_path)
    before = load(folder).version
    edit(folder, "models.toml", "log1p(30)", "log1p(31)")
    assert load(folder).version != before


def test_a_file_that_cannot_be_read_is_one_problem(tmp_path: Path) -> None:
    folder = copy_shop(tmp_path)
    edit(folder, "models.toml", "[thresholds]", "[thresholds")
    assert len(problems_of(folder)) == 1
    (folder / "features.toml").write_text("[")
    assert len(problems_of(folder)) == 2


def test_terms_of_more_steps_than_a_program_has_are_told(tmp_path: Path) -> None:
    long = " + ".join(f"log1p(a + {number})" for number in range(20))
    texts = [long.replace("a +", f"a * {number}.5 +") for number in range(30)]
    with pytest.raises(ConfigError, match="expected terms of at most 512 steps, got"):
        term_config(tmp_path, *texts)
