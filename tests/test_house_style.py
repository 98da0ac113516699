"""The house style, as far as a program can hold it."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("config", "connectors", "state", "flows")
MAY_IMPORT = {
    "config": set(),
    "connectors": {"config"},
    "state": {"config"},
    "flows": {"config", "connectors", "state"},
}
FILES_THAT_IMPORT = {
    "numba": {"config/jit.py"},
    "bytewax": {"flows/engine.py"},
    "matplotlib": {"flows/evaluate_pictures.py"},
    "zstandard": {"connectors/compression.py"},
    "prometheus_client": {"flows/metrics.py"},
    "redis": {"state/redis_client.py"},
    "rich": {
        "flows/console.py",
        "flows/demo_screen.py",
        "flows/show.py",
        "flows/version_page.py",
        "flows/warm_start_page.py",
    },
    "click": {
        "flows/cli.py",
        "flows/console.py",
        "flows/demo.py",
        "flows/exits.py",
        "flows/kafka_commands.py",
        "flows/letter_commands.py",
        "flows/live_commands.py",
        "flows/live_model_commands.py",
        "flows/model_commands.py",
        "flows/range_commands.py",
        "flows/option_types.py",
        "flows/redis_commands.py",
    },
    "river": {
        "flows/learn_challengers.py",
        "flows/learn_frames.py",
        "flows/learn_river.py",
    },
    "confluent_kafka": {
        "connectors/kafka_errors.py",
        "connectors/kafka_producers.py",
        "connectors/kafka_ranges.py",
        "connectors/kafka_reader.py",
        "connectors/kafka_relay.py",
        "connectors/kafka_scan.py",
        "connectors/kafka_topics.py",
        "connectors/kafka_transactions.py",
    },
}
EDGES = {
    "flows/console.py",
    "flows/demo_screen.py",
    "flows/log_config.py",
    "flows/produce.py",
    "flows/run.py",
    "flows/run_learner.py",
    "flows/supervise.py",
}
"""Where the clock on the wall may be read; below them time is an argument."""

CLOCKS = {
    ("time", name)
    for name in ("time", "time_ns", "monotonic", "perf_counter", "process_time", "sleep")
} | {("datetime", "now"), ("datetime", "utcnow"), ("datetime", "today"), ("date", "today")}
CHANCE = {"random", "secrets", "uuid"}
NUMPY_CHANCE = {"rand", "randn", "randint", "choice", "shuffle", "seed", "permutation", "normal"}
NAMES_OF_NOTHING = {"utils", "util", "helpers", "helper", "base", "common", "misc"}
FUNCTION_LINES_MAX, MODULE_LINES_MAX, PARAMETERS_MAX = 60, 400, 5
COMPILED_PARAMETERS_MAX = 9
"""A compiled loop passes numbers in registers; packing them into a value for each call was measured
to cost more than the work."""


Function = ast.FunctionDef | ast.AsyncFunctionDef


class Module(NamedTuple):
    """A source file and its syntax tree."""

    path: str
    text: str
    tree: ast.Module

    @property
    def package(self) -> str:
        return self.path.split("/")[0]

    def nodes(self) -> Iterator[ast.AST]:
        return ast.walk(self.tree)

    def functions(self) -> Iterator[Function]:
        return (node for node in self.nodes() if isinstance(node, Function))


def modules(*packages: str) -> list[Module]:
    found = []
    for package in packages:
        for path in sorted((ROOT / package).rglob("*.py")):
            text = path.read_text()
            found.append(Module(path.relative_to(ROOT).as_posix(), text, ast.parse(text)))
    assert found, f"no modules in {packages}"
    return found


SOURCES = modules(*PACKAGES)
ALL = SOURCES + modules("bench", "tests")


def imported(module: Module) -> Iterator[tuple[str, int]]:
    """Top-level packages that a module imports, wherever in it, with the line."""
    for node in module.nodes():
        if isinstance(node, ast.Import):
            yield from ((alias.name.split(".")[0], node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            assert node.level == 0, f"{module.path}:{node.lineno}: a relative import"
            yield node.module.split(".")[0], node.lineno


def test_each_package_imports_only_what_it_may() -> None:
    wrong = [
        f"{module.path}:{line} imports {name}"
        for module in SOURCES
        for name, line in imported(module)
        if name in (*PACKAGES, "bench", "tests")
        and name != module.package
        and name not in MAY_IMPORT[module.package]
    ]
    assert not wrong


@pytest.mark.parametrize("library", FILES_THAT_IMPORT)
def test_each_outside_library_is_imported_in_few_files(library: str) -> None:
    importers = {
        module.path for module in SOURCES if library in {name for name, _ in imported(module)}
    }
    assert importers == FILES_THAT_IMPORT[library]


def test_no_function_is_longer_than_a_screen() -> None:
    wrong = []
    for module in ALL:
        for function in module.functions():
            assert function.end_lineno is not None
            length = function.end_lineno - function.lineno + 1
            if length > FUNCTION_LINES_MAX:
                wrong.append(f"{module.path}:{function.lineno} {function.name}: {length} lines")
    assert not wrong


def test_no_module_is_longer_than_can_be_read_at_once() -> None:
    lengths = {module.path: len(module.text.splitlines()) for module in ALL}
    assert not {path: count for path, count in lengths.items() if count > MODULE_LINES_MAX}


def parameter_count(function: Function) -> int:
    """How many values a caller gives; `self` and `cls` are not given by callers."""
    arguments = function.args
    named = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
    return sum(argument.arg not in ("self", "cls") for argument in named)


def is_compiled(function: Function) -> bool:
    """Whether `config.jit` makes machine code of it."""
    return any(
        isinstance(decorator, ast.Name) and decorator.id in ("compiled", "inlined")
        for decorator in function.decorator_list
    )


def test_no_function_takes_more_than_five_parameters_or_compiled_nine() -> None:
    wrong = [
        f"{module.path}:{function.lineno} {function.name}: {parameter_count(function)} parameters"
        for module in ALL
        for function in module.functions()
        if parameter_count(function)
        > (COMPILED_PARAMETERS_MAX if is_compiled(function) else PARAMETERS_MAX)
    ]
    assert not wrong


def test_time_is_an_argument_everywhere_but_at_the_edges() -> None:
    wrong = []
    for module in SOURCES:
        if module.path in EDGES:
            continue
        for node in module.nodes():
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name | ast.Attribute):
                owner = node.value.id if isinstance(node.value, ast.Name) else node.value.attr
                if (owner, node.attr) in CLOCKS:
                    wrong.append(f"{module.path}:{node.lineno} {owner}.{node.attr}")
            elif isinstance(node, ast.ImportFrom) and node.module == "time":
                wrong.append(f"{module.path}:{node.lineno} from time import")
    assert not wrong


def test_chance_is_an_argument_and_no_hash_differs_per_process() -> None:
    wrong = []
    for module in SOURCES:
        wrong += [f"{module.path}:{at} {name}" for name, at in imported(module) if name in CHANCE]
        for node in module.nodes():
            if not isinstance(node, ast.Call):
                continue
            called = node.func
            if isinstance(called, ast.Name) and called.id == "hash":
                wrong.append(f"{module.path}:{node.lineno} hash()")
            if isinstance(called, ast.Attribute) and ast.unparse(called).startswith("np.random."):
                unseeded = called.attr == "default_rng" and not node.args
                if unseeded or called.attr in NUMPY_CHANCE:
                    wrong.append(f"{module.path}:{node.lineno} {ast.unparse(called)}")
    assert not wrong


def test_every_module_says_in_its_first_line_what_is_found_there() -> None:
    wrong = [
        module.path for module in ALL if module.text.strip() and not ast.get_docstring(module.tree)
    ]
    assert not wrong


def test_module_names_say_what_is_in_them() -> None:
    assert not [module.path for module in ALL if Path(module.path).stem in NAMES_OF_NOTHING]


def test_test_names_are_sentences() -> None:
    wrong = [
        f"{module.path}:{function.lineno} {function.name}"
        for module in modules("tests")
        for function in module.functions()
        if function.name.startswith("test_") and function.name.count("_") < 3
    ]
    assert not wrong


def test_nothing_is_mocked_or_patched() -> None:
    wrong = []
    for module in modules("tests"):
        for node in module.nodes():
            if isinstance(node, ast.Import | ast.ImportFrom) and "mock" in ast.unparse(node):
                wrong.append(f"{module.path}:{node.lineno} {ast.unparse(node)}")
            if isinstance(node, ast.Attribute) and ast.unparse(node) == "monkeypatch.setattr":
                wrong.append(f"{module.path}:{node.lineno} monkeypatch.setattr")
    assert not wrong


def test_no_comment_is_a_banner() -> None:
    banner = re.compile(r"^\s*#\s*([-=#*~_])\1{3,}", re.MULTILINE)
    assert not [module.path for module in ALL if banner.search(module.text)]


def test_every_exemption_from_a_rule_says_why() -> None:
    exemption = re.compile(
        r"#\s*(?:noqa(?::[ A-Z0-9,]+)?|type:\s*ignore(?:\[[\w, -]+\])?)\s*$", re.MULTILINE
    )
    wrong = [
        f"{module.path}: {found.group()}"
        for module in ALL
        for found in exemption.finditer(module.text)
    ]
    assert not wrong


COMMITTED = (
    "Makefile pyproject.toml requirements.lock README.md CHANGELOG.md .ci/run docs/*.md "
    "Dockerfile docker-compose.yml deploy/**/* "
    "bench/**/* config/**/* connectors/*.py state/*.py flows/*.py tests/**/*"
)


def committed_texts() -> Iterator[tuple[str, str]]:
    for pattern in COMMITTED.split():
        for path in sorted(ROOT.glob(pattern)):
            if path.is_file() and "__pycache__" not in path.parts:
                yield path.relative_to(ROOT).as_posix(), path.read_text()


def test_no_file_names_a_path_of_somebodys_machine() -> None:
    home = re.compile(r"(?<![\w.-])/(?:work|farm|root|home|Users)/\w")
    assert not [
        f"{path}: {home.findall(text)}" for path, text in committed_texts() if home.search(text)
    ]


def test_the_lock_holds_hashes_and_no_download_address() -> None:
    lock = (ROOT / "requirements.lock").read_text()
    assert not re.findall(r"https?://|--(?:extra-)?index-url|--find-links", lock)
    pinned = re.findall(r"^([a-z][\w.-]*)==", lock, re.MULTILINE)
    assert lock.count("--hash=sha256:") >= len(pinned) > 20
