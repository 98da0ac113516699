"""Pages of docs/ with parts that are made from the code, between marks that no reader sees."""

from __future__ import annotations

import re
from collections.abc import Mapping

MARKED = re.compile(r"(<!-- generated: ([\w ]+) -->\n).*?(<!-- end -->)", re.DOTALL)


def filled(page: str, blocks: Mapping[str, str]) -> str:
    r"""The page with each block between its marks; every block has a place, and every place one.

    >>> filled("<!-- generated: a -->\nold\n<!-- end -->", {"a": "new"})
    '<!-- generated: a -->\nnew\n<!-- end -->'
    """
    marked = [name for _, name, _ in MARKED.findall(page)]
    assert sorted(marked) == sorted(blocks), "the page marks a place for each block"
    return MARKED.sub(lambda found: f"{found[1]}{blocks[found[2]]}\n{found[3]}", page)
