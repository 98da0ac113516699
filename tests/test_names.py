"""The table of known texts."""

from __future__ import annotations

import numpy as np

from connectors.names import UNKNOWN, Names, find, new_names


def look_up(names: Names, text: str, space: int) -> int:
    data = np.frombuffer(b"#" + text.encode() + b"#" + bytes(16), np.uint8).copy()
    return find(names, data, 1, len(text.encode()), space)


def test_every_name_is_found_in_its_space_and_in_no_other() -> None:
    texts = ["", "a", "ab", "event", "eventually", "eight..8", "nine....9", "product_id", "größe"]
    texts += [f"a.long.name.that.only.differs.at.its.middle.{at}.or.nearly" for at in range(300)]
    codes = {(space, text): at * 7 for at, text in enumerate(texts) for space in (0, 3, 1 << 20)}
    names = new_names(codes)
    for (space, text), code in codes.items():
        assert look_up(names, text, space) == code
        assert look_up(names, text, space + 1) == UNKNOWN
        assert look_up(names, text + "x", space) == UNKNOWN


def test_names_that_share_both_ends_are_told_apart() -> None:
    names = new_names({(0, "beginning-1-the-ending"): 1, (0, "beginning-2-the-ending"): 2})
    assert look_up(names, "beginning-2-the-ending", 0) == 2
    assert look_up(names, "beginning-3-the-ending", 0) == UNKNOWN
    assert look_up(new_names({}), "anything", 0) == UNKNOWN
