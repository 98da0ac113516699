"""What is wrong with a config folder is told at once, all of it, and each thing once."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from config.limits import PROBLEMS_MAX
from config.load import load
from config.problems import ConfigError
from tests.config_folders import copy_shop, edit, messages_of, problems_of, write_minimal


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return copy_shop(tmp_path)


@pytest.fixture
def minimal(tmp_path: Path) -> Path:
    return write_minimal(tmp_path)


def test_all_problems_of_all_files_are_told_at_once(folder: Path) -> None:
    edit(folder, "shop.toml", '"Europe/Berlin"', '"Europe/Berln"')
    edit(folder, "events.toml", 'require = ["item"]', 'requires = ["item"]')
    edit(folder, "features.toml", '"count"', '"cuont"')
    edit(folder, "tags.toml", "spend_365d", "spend_36d")
    edit(folder, "journeys/win_back.toml", "lifecycle.at_risk", "lifecyle.at_risk")
    edit(folder, "journeys/win_back.toml", 'ttl   = "1d"', 'ttl   = "1 day"')
    edit(folder, "journeys/abandoned_cart.toml", '"live"', '"on"')
    messages = messages_of(folder)
    assert [message.split(":")[0] for message in messages] == [
        "events.toml",
        "features.toml",
        "journeys/abandoned_cart.toml",
        "journeys/win_back.toml",
        "journeys/win_back.toml",
        "shop.toml",
        "tags.toml",
    ]


def test_the_text_of_the_error_has_a_line_for_each_problem(folder: Path) -> None:
    edit(folder, "shop.toml", '"EUR"', '"Euro"')
    edit(folder, "shop.toml", "Europe/Berlin", "Europe/Berln")
    with pytest.raises(ConfigError) as caught:
        load(folder)
    assert len(str(caught.value).splitlines()) == 2
    assert f"{folder}/shop.toml: no time zone 'Europe/Berln'; did you mean" in str(caught.value)


def test_a_broken_feature_is_told_once_however_many_rules_use_it(folder: Path) -> None:
    edit(folder, "features.toml", "[orders_total]\nkind   =", "[orders_total]\nkid    =")
    (message,) = messages_of(folder)
    assert "expected a key 'kind', got none" in message
    assert message.endswith("- at $.orders_total")


@pytest.mark.parametrize("name", ["shop", "events", "features", "tags"])
def test_a_missing_file_is_told_once_and_the_other_files_are_still_checked(
    folder: Path, name: str
) -> None:
    (folder / f"{name}.toml").unlink()
    edit(folder, "journeys/win_back.toml", 'ttl   = "1d"', 'ttl   = "1 day"')
    messages = messages_of(folder)
    assert len(messages) == 2
    assert any(line.startswith(f"{name}.toml: expected a file, got none of") for line in messages)


def test_a_folder_that_is_not_there_is_a_problem(tmp_path: Path) -> None:
    (problem,) = problems_of(tmp_path / "nowhere")
    assert problem.file == f"{tmp_path}/nowhere"
    assert problem.message == "expected a config folder, got none of this name"
    assert problems_of(Path("a\0b"))


def test_bad_toml_is_told_with_its_line(folder: Path) -> None:
    edit(folder, "tags.toml", "[value]", "[value")
    (message,) = messages_of(folder)
    line = (folder / "tags.toml").read_text().split("\n").index("[value") + 1
    assert message == f"tags.toml: the heading is not closed; add the ] - at line {line}, column 7"


def test_a_name_given_twice_is_told(folder: Path) -> None:
    edit(folder, "features.toml", "[views_24h]", "[views_1h]")
    (message,) = messages_of(folder)
    assert "'views_1h' is there twice" in message


def test_text_that_is_not_utf_8_is_told_with_its_line(folder: Path) -> None:
    (folder / "journeys/win_back.toml").write_bytes(b'status = "live"\nabout = "caf\xe9"\n')
    (message,) = messages_of(folder)
    assert message == (
        "journeys/win_back.toml: expected UTF-8 text, got byte 0xe9; save the file as UTF-8"
        " - at line 2, column 1"
    )


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"a = " + b"[" * 3_000 + b"]" * 900, "expected TOML, got: too many nested brackets"),
        (b"a = [\n" + b"[\n" * 50_000, "expected TOML, got: too many nested brackets"),
        (b"a" + b".a" * 100_000 + b" = 1", "expected lines of at most 4000 characters, got 200005"),
        (b"\n" * 262_145, "expected a file of at most 262144 bytes"),
        (b"a = 1\n\0", "expected a key or a [heading], got"),
        (b"a = 2026-02-30", "no such date, got"),
    ],
)
def test_hostile_toml_is_a_problem(folder: Path, content: bytes, expected: str) -> None:
    (folder / "shop.toml").write_bytes(content)
    assert messages_of(folder)[0].startswith(f"shop.toml: {expected}")


@pytest.mark.skipif(not Path("/proc/self/mem").exists(), reason="needs Linux's /proc")
def test_an_unreadable_file_is_a_problem(folder: Path) -> None:
    (folder / "tags.toml").unlink()
    (folder / "tags.toml").symlink_to(
        "/proc/self/mem"
    )  # a file that nobody can read from 0, root or not
    (message,) = messages_of(folder)
    assert message.startswith("tags.toml: expected a readable file, got: Input/output error")


def test_what_is_no_file_is_a_problem_and_is_not_waited_for(folder: Path) -> None:
    (folder / "tags.toml").unlink()
    os.mkfifo(folder / "tags.toml")
    (folder / "shop.toml").unlink()
    (folder / "shop.toml").mkdir()
    assert messages_of(folder) == [
        "shop.toml: expected a file, got something else of this name; rename or remove it",
        "tags.toml: expected a file, got something else of this name; rename or remove it",
    ]


def test_journeys_that_are_no_folder_are_a_problem(minimal: Path) -> None:
    (minimal / "journeys").write_text("")
    (message,) = messages_of(minimal)
    assert message.startswith("journeys: expected a folder, got something else of this name")


def test_the_list_of_problems_ends_somewhere(minimal: Path) -> None:
    (minimal / "shop.toml").write_text("".join(f"key_{index} = 1\n" for index in range(5_000)))
    messages = messages_of(minimal)
    assert len(messages) == PROBLEMS_MAX + 1
    assert "more than 500 problems; the others are not listed" in "\n".join(messages)


def limited(count: int, text: str) -> str:
    return "".join(text.replace("N", str(index)) for index in range(count))


@pytest.mark.parametrize(
    ("file", "text", "expected"),
    [
        (
            "features.toml",
            limited(201, '[fN]\nkind = "count"\nevents = ["page"]\n'),
            "features.toml: expected at most 200 entries, got 201",
        ),
        (
            "tags.toml",
            limited(61, 'tN = "1 > 0"\n'),
            "tags.toml: expected at most 60 tags and groups",
        ),
        (
            "events.toml",
            limited(101, '["e N"]\nfields = { fN = "x" }\n'),
            "events.toml: expected at most 100 different fields",
        ),
        ("tags.toml", "[a.b.c.d.e.f.g.h.i]\nx = '1 > 0'", "expected at most 8 levels of groups"),
        ("tags.toml", "[a" + ".b" * 1_900 + "]\nx = 1", "expected at most 8 levels of groups"),
    ],
)
def test_limits_are_told(minimal: Path, file: str, text: str, expected: str) -> None:
    (minimal / file).write_text(text)
    assert any(expected in message for message in messages_of(minimal))


def test_there_are_at_most_50_journeys(folder: Path) -> None:
    text = (folder / "journeys/win_back.toml").read_text()
    for index in range(49):
        (folder / f"journeys/j{index}.toml").write_text(text)
    assert messages_of(folder) == [
        "journeys: expected at most 50 journeys, got 51; remove those that are off"
    ]


def test_a_file_that_nothing_reads_is_a_problem(folder: Path) -> None:
    (folder / "feature.toml").write_text("")
    (folder / "suppression.toml").write_text("")
    assert messages_of(folder) == [
        "feature.toml: no config file has this name; did you mean 'features.toml'?",
        "suppression.toml: not supported yet; remove the file",
    ]


def test_a_huge_number_is_a_problem_and_is_not_printed(folder: Path) -> None:
    edit(folder, "journeys/win_back.toml", "priority = 40", f"priority = {'9' * 3_900}")
    edit(folder, "tags.toml", "vip_spend        = 500", f"vip_spend = {'9' * 3_900}")
    assert messages_of(folder) == [
        "journeys/win_back.toml: expected a whole number from -1000 to 1000, got a huge number;"
        " write 1000 or less - at $.priority",
        "tags.toml: expected a number of at most 9007199254740992, got a huge number;"
        " write a number such as 20 or 0.5 - at $.thresholds.vip_spend",
    ]


def test_a_trait_that_two_places_read_as_different_types_is_a_problem(folder: Path) -> None:
    edit(
        folder,
        "events.toml",
        '["Products Searched"]',
        '[identify]\nfields = { no_mail = "traits.email_unsubscribed",'
        ' in = "traits.country.code" }\n'
        '["Products Searched"]',
    )
    assert messages_of(folder) == [
        "events.toml: 'in' is a word of the rule language, so it cannot name a field;"
        " choose another name - at $.identify.fields.in",
        "events.toml: field 'traits.email_unsubscribed' reads this value as flag, this one as text;"
        ' write it with its type: { path = "traits.email_unsubscribed", type = "flag" }'
        " - at $.identify.fields.no_mail",
    ]
    edit(folder, "events.toml", "in = ", "code = ")
    assert (
        "events.toml: field 'traits.country' reads this value as a whole, not a part of it;"
        " remove one of the two fields - at $.identify.fields.code"
    ) in messages_of(folder)


def test_a_trait_is_a_path_without_gaps(folder: Path) -> None:
    edit(folder, "shop.toml", '"push_unsubscribed"', '"push..unsubscribed"')
    (message,) = messages_of(folder)
    assert message.startswith("shop.toml: expected up to 8 names with dots between")
