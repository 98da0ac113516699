"""Rules: what they mean once compiled, how they explain themselves, what is said of bad ones."""

from __future__ import annotations

import time

import pytest

from config.expressions import Fault, names_in
from config.limits import RULE_COMPARISONS_MAX, RULE_DEPTH_MAX, RULE_STACK_MAX
from config.rules import compile_rule
from config.schema import Program
from config.scope import Scope
from tests.rule_evaluation import Value, evaluate, run

SCOPE = Scope(
    features={
        "views": (0, "number"),
        "orders": (1, "number"),
        "country": (2, "text"),
        "recent": (3, "texts"),
        "gap": (4, "number"),
        "broken": (5, None),
    },
    thresholds={"many": 10.0, "unusable": None},
    propensities={"churn_30d": 6},
    tags={"vip": 0, "value.big": 1},
    tags_below={"lifecycle.new"},
    event="Product Added",
    fields={"price": (0, "money"), "item": (1, "text"), "gift": (2, "flag"), "lines": (3, "lines")},
)
FEATURES: list[Value] = [12.0, 3.0, "DE", ("a",), None, None, 0.7]
TAGS = [True, False]
EVENT: list[Value] = [9.5, "shoe", 1.0]


def compiled(text: str, scope: Scope = SCOPE) -> Program:
    program = compile_rule(text, scope)
    assert isinstance(program, Program), program
    return program


def faults(text: str, scope: Scope = SCOPE) -> tuple[Fault, ...]:
    found = compile_rule(text, scope)
    assert not isinstance(found, Program), f"{text} has no fault"
    return found


def holds(text: str) -> bool:
    return evaluate(compiled(text), FEATURES, TAGS, EVENT) == 1.0


@pytest.mark.parametrize(
    "text",
    [
        *("views > 11", "views >= 12", "views == 12", "views != 11", "views <= 12", "views < 13"),
        *("propensity.churn_30d >= 0.7", "has(propensity.churn_30d)"),
        *("views >= many", "1 < orders <= 3 < views", "not views < 12", "not not views > 1"),
        *("views == 4 * orders", "views / orders == 4", "views - orders == 9", "-views == 0 - 12"),
        *("views + orders * 2 == 18", "(views + orders) * 2 == 30", "views - orders - 1 == 8"),
        *("min(views, orders, 5) == 3", "max(views, orders) == 12", "abs(orders - views) == 9"),
        *("+views > 0", "orders in (1, 2, 3)", "country in ('FR', 'DE')", 'country == "DE"'),
        *("country != 'FR'", "has(views)", "has(recent)", "not has(gap)", "has(event.item)"),
        *("tags.vip", "not tags.value.big", "tags.vip and views > 1", "tags.value.big or tags.vip"),
        *("event.price < many", "event.item == 'shoe'", "event.gift == 1", "1 == 1"),
        *("views > 1\nand orders > 1", "views > 1  # often\n  and orders > 1", "\n  views > 1\n"),
    ],
)
def test_this_rule_holds(text: str) -> None:
    assert holds(text)


@pytest.mark.parametrize(
    "text",
    [
        *("views > 12", "views < many", "1 < orders < 3", "country == 'de'", "orders in (1, 2)"),
        *("tags.vip and tags.value.big", "tags.value.big or views > 12", "not has(country)"),
        # A comparison with a missing value is false, whichever it is.
        *("gap > 0", "gap <= 0", "gap == 0", "gap != 0", "gap == gap", "gap in (1, 2)"),
        *("gap + 1 > 0", "min(gap, 1) < 5", "max(1, gap) > 0", "abs(gap) >= 0", "-gap < 1"),
        *("views / 0 > 0", "views / 0 <= 0", "views / (orders - 3) != 1", "1 < gap < 3"),
    ],
)
def test_this_rule_does_not_hold(text: str) -> None:
    assert not holds(text)


def test_not_of_a_comparison_with_a_missing_value_holds() -> None:
    assert holds("not gap > 0")
    assert holds("not gap in (1, 2)")


def test_each_comparison_has_its_text_and_both_its_sides() -> None:
    program = compiled("1 < orders <= many / 2 and country in ('FR', 'DE')")
    explained = [
        (
            comparison.text,
            *run(program, FEATURES, TAGS, EVENT, comparison.left),
            *run(program, FEATURES, TAGS, EVENT, comparison.right),
        )
        for comparison in program.comparisons
    ]
    assert explained == [
        ("1 < orders", 1.0, 3.0),
        ("orders <= many / 2", 3.0, 5.0),
        ("country == 'FR'", "DE", "FR"),
        ("country == 'DE'", "DE", "DE"),
    ]


def test_a_comparison_of_a_rule_of_several_lines_is_told_on_one() -> None:
    (comparison,) = compiled("views +\n   orders > many").comparisons
    assert comparison.text == "views + orders > many"


def test_a_program_names_the_features_and_tags_that_it_reads() -> None:
    program = compiled(
        "tags.value.big and orders > views or tags.vip and views > 1 or has(country)"
    )
    assert (program.features, program.tags) == ((0, 1, 2), (0, 1))


@pytest.mark.parametrize(
    ("text", "message", "nearest"),
    [
        ("vews > 1", "no feature or threshold 'vews'", "views"),
        ("tags.value.bg", "no tag 'value.bg'", "value.big"),
        ("tags.lifecycle.new", "expected a tag that stands above this rule, got", None),
        ("event.prise > 1", "no field of 'Product Added' named 'prise'", "price"),
        ("event.lines == 1", "expected a field with one value, got 'lines'", None),
        ("evnt.price > 1", "no name space 'evnt'", "event"),
        ("propensity.churn > 0.5", "no model 'churn'", "churn_30d"),
        ("views", "expected a condition, got a number: views", None),
        ("country", "expected a condition, got a text: country", None),
        ("views and orders > 1", "expected a condition, got a number: views", None),
        (
            "views > 'a'",
            "expected two numbers or two texts to compare, got a number and a text",
            None,
        ),
        ("tags.vip == 1", "expected two numbers or two texts to compare, got a condition", None),
        ("recent == 'a'", "got a list of texts and a text", None),
        ("country < 'a'", "texts know only ==, != and in, got < after country", None),
        ("country + 1 == 2", "expected a number, got a text: country", None),
        ("'a' in country", "expected a list in round brackets", None),
        ("country in ()", "expected a list in round brackets", None),
        ("country in ['DE']", "expected a list in round brackets", None),
        ("country not in ('DE',)", "'not in' is not part of the rule language", None),
        ("1 < views in (1, 2)", "is not part of the rule language", None),
        ("country is 'DE'", "is not part of the rule language", None),
        ("mn(views, 1) > 0", "no function 'mn'", "min"),
        ("min(views) > 0", "min() takes two values or more, got min(views)", None),
        ("abs(views, 1) > 0", "abs() takes one value", None),
        ("abs(x=views) > 0", "abs() takes one value", None),
        ("has(many)", "has() takes a feature or a field, got many", None),
        ("has(views + 1)", "has() takes a feature or a field, got views + 1", None),
        ("has(tags.vip)", "has() takes a feature or a field, got tags.vip", None),
        ("has", "no feature or threshold 'has'", None),
        ("views > True", "True is not part of the rule language", None),
        ("views > 1e999", "expected numbers of at most 9007199254740992", None),
        ("views > 9007199254740993", "expected numbers of at most 9007199254740992", None),
        ("views > 1j", "1j is not part of the rule language", None),
        ("country == b'DE'", "b'DE' is not part of the rule language", None),
        (f"country == '{'x' * 257}'", "expected a text of at most 256 bytes, got 257", None),
        ("country == '\\ud800'", "expected Unicode text", None),
        ("views = 1", "cannot read this rule from '= 1' on", None),
        ("views => 1", "from '=> 1' on", None),
        ("views > 1or orders > 1", "cannot read this rule from '1or orders > 1' on", None),
        ("country == '\\d'", "cannot read this rule from", None),
        ("", "expected a rule, got an empty text", None),
        (" \n ", "expected a rule, got an empty text", None),
        ("views > 1) or (views\n> 2", "unmatched brackets, or a list", None),
        ("views > 1,\nviews > 2", "unmatched brackets, or a list", None),
        ("# nothing", "cannot read this rule", None),
    ],
)
def test_a_fault_is_told_with_the_nearest_name(
    text: str, message: str, nearest: str | None
) -> None:
    (fault,) = faults(text)
    assert message in fault.message
    assert fault.nearest == nearest


@pytest.mark.parametrize(
    ("text", "fix"),
    [
        ("views => 1", "write >="),
        ("views = 1", "write == to compare"),
        ("views > 1 && orders > 1", "write and"),
        ("views > 1 AND orders > 1", "write and, or, not, in with small letters"),
        ("orders > 90d", "write the number alone: its unit is in the feature's name"),
        ("(views > 1", "close the bracket"),
        ("country == 'DE", "add the quote at the end of the text"),
        ("vews > 1", "write views"),
        ("tags.value.bg", "write tags.value.big"),
        ("event.prise > 1", "write event.price"),
        ("tag.vip", "write tags.vip"),
        ("views", "compare it, such as views > 0"),
        ("country in 'DE'", "write == 'DE', or ('DE',)"),
        ("country not in ('DE',)", "write not country in (...)"),
    ],
)
def test_a_fault_comes_with_what_to_write(text: str, fix: str) -> None:
    (fault,) = faults(text)
    assert fault.fix == fix


def test_all_faults_of_a_rule_are_told_at_once() -> None:
    found = faults("vews > 1 and country > 'a' and foo(1) > 2 and orders")
    assert len(found) == 4


def test_a_fault_is_told_once_even_where_the_code_is_written_twice() -> None:
    assert len(faults("1 < vews < 3 and vews in (1, 2)")) == 1


def test_what_has_a_problem_of_its_own_gives_no_program_and_no_further_fault() -> None:
    assert faults("broken > 1 and unusable < views") == ()
    assert faults("broken == 'DE' and has(broken)") == ()
    assert faults("whatever > 1", Scope(features=None, tags=None)) == ()
    assert faults("tags.whatever", Scope(features=None, tags=None)) == ()


def test_event_fields_are_known_only_where_an_event_enters() -> None:
    (fault,) = faults("event.price > 1", Scope(features={}))
    assert "known only in the `when` of an [entry]" in fault.message


HOSTILE = [
    "9**9**9 > 1",
    "2 ** 64 > 1",
    "views << 9999999 > 1",
    "views % 2 == 1",
    "views // 2 == 1",
    "~views > 1",
    "views @ views > 1",
    "__import__('os').system('true') == 0",
    "().__class__.__bases__ == 1",
    "tags.__class__",
    "tags.vip.__class__",
    "event.__dict__ == 1",
    "views.real > 1",
    "'a'.join(country) == 'a'",
    "recent[0] == 'a'",
    "has(recent[0])",
    "(lambda: 1)() > 0",
    "[x for x in recent]",
    "(x for x in recent)",
    "{1: 2}",
    "{1, 2}",
    "f'{views}' == 'a'",
    "(views := 2) > 1",
    "views if views else views",
    "(yield views)",
    "await views",
    "min(*recent) > 1",
    "min(**recent) > 1",
    "...",
    "None",
    "views > None",
    "has()",
    "(" * 10_000 + "views > 1" + ")" * 10_000,
    "(" * 450 + "views" + ")" * 450 + " > 1",
    "[" * 999,
    "not " * 240 + "tags.vip",
    "-" * 900 + "views > 1",
    "abs(" * 150 + "views" + ")" * 150 + " > 1",
    "views" + "+views" * 160 + " > 1",
    "views > 1" + " and views > 1" * 60,
    "views in (" + "1," * 400 + ")",
    "0" + "<1" * 400,
    "a" + ".a" * 450,
    "tags" + ".a" * 450,
    "9" * 990 + " > views",
    "1" + "0" * 400 + ".0 > views",
    "views > 1\x00",
    "country == '\ud800'",
    "\ud800 > 1",
    "views > 1 \u2028 and orders > 1",
    "\uff56iews\u0301 > 1",
    "views > \u0661",
    "x" * 1_001,
    "views \\\n",
    "'" * 7,
    "\ufeffviews > 1",
]


@pytest.mark.parametrize("text", HOSTILE, ids=[ascii(text[:30]) for text in HOSTILE])
def test_a_hostile_rule_is_a_fault_and_takes_no_time(text: str) -> None:
    start = time.process_time()
    assert faults(text)
    assert time.process_time() - start < 0.5


def test_nested_membership_does_not_take_exponential_time() -> None:
    text = "1"
    for _ in range(25):
        text = f"({text}) in (1, 2)"
    start = time.process_time()
    assert faults(text)
    assert time.process_time() - start < 0.5


def test_a_rule_may_be_as_large_as_the_limits_say_and_no_larger() -> None:
    most = " and ".join(["views > 1"] * RULE_COMPARISONS_MAX)
    assert len(compiled(most).comparisons) == RULE_COMPARISONS_MAX
    assert "comparisons" in faults(most + " and views > 1")[0].message
    deep = "(" * 40 + "views" + ")" * 40 + " > 1"
    assert holds(deep), "brackets alone are no depth"
    signs = "-" * RULE_DEPTH_MAX
    assert "levels" in faults(f"{signs}views > 1")[0].message
    assert isinstance(compile_rule(f"{signs[1:]}views > 1", SCOPE), Program)
    sums = "views" + "+orders" * 20 + " > 1"
    assert holds(sums)


def test_the_deepest_rule_fits_the_stack() -> None:
    depth = RULE_DEPTH_MAX - 4
    text = f"tags.vip and (1 < 2 < {'(views+' * depth}views{')' * depth})"
    program = compiled(text)
    # `evaluate` holds the stack to its limit; one more value on it would be too many for this rule.
    assert evaluate(program, FEATURES, TAGS, EVENT) == 1.0
    assert RULE_STACK_MAX - depth < 7


def test_names_in_a_rule_are_its_bare_names() -> None:
    assert names_in("a > b and tags.c and has(d)") == {"a", "b", "tags", "d", "has"}
    assert names_in("a >> (") == {"a"}
    assert names_in(5) == frozenset()
