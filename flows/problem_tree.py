"""What is wrong with a config folder, as a tree: files, places in them, what to do there."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby

from config.problems import Problem
from flows.branches import Branch, counted

SOURCE_LENGTH_MAX = 64
"""With what is around it, a line of 80 letters holds this."""

BEFORE_COLUMN = 40
"""Letters of a long line that are shown before the place in it."""


def problem_tree(config: str, problems: Sequence[Problem]) -> Branch:
    """All `problems` of the folder called `config`, in the order given: that of files and lines."""
    branches: list[Branch] = []
    files = 0
    for file, in_file in groupby(problems, key=lambda problem: problem.file):
        files += 1
        places = places_of(in_file)
        # A problem of the folder itself has no file to stand below.
        below = Branch(text=file.removeprefix(f"{config}/"), branches=places)
        branches += places if file == config else [below]
    found = f"{counted(len(problems), 'problem')} in {counted(files, 'file')}"
    return Branch(text=f"{config}: {found}", branches=tuple(branches))


def places_of(problems: Iterable[Problem]) -> tuple[Branch, ...]:
    """The problems of one file, those of one place together."""
    places = groupby(problems, key=lambda problem: (problem.path, problem.line))
    return tuple(Branch(text=place_text(list(here))) for _, here in places)


def place_text(problems: Sequence[Problem]) -> str:
    """The problems of one place: where it is, what stands there, then what is wrong and the fix."""
    lines = place_lines(problems[0])
    for fix, alike in groupby(problems, key=lambda problem: problem.fix):
        lines += [problem.message for problem in alike]
        lines += [f"fix: {fix}"] if fix is not None else []
    return "\n".join(lines)


def place_lines(problem: Problem) -> list[str]:
    """Where it is and what stands there; nothing for a problem of the whole file."""
    if problem.line is None:
        return []
    line = f"line {problem.line}"
    title = f"{problem.where}, {line}" if problem.where else f"{line}, column {problem.column}"
    source = excerpt(problem.source, problem.column or 1)
    return [title, source] if source else [title]


def excerpt(source: str, column: int) -> str:
    """A line of a file; of a long one the part around the column.

    >>> excerpt("  vip = 5", 3)
    'vip = 5'
    >>> excerpt("#" * 60 + " vip = 5 " + "#" * 60, 62)
    '... ####################################### vip = 5 ################...'
    """
    if len(source) <= SOURCE_LENGTH_MAX:
        return source.strip()
    start = max(0, column - 1 - BEFORE_COLUMN)
    part = source[start : start + SOURCE_LENGTH_MAX]
    before = "... " if start else ""
    after = "..." if len(source) > start + SOURCE_LENGTH_MAX else ""
    return f"{before}{part.strip()}{after}"
