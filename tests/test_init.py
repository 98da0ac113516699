"""`beckon init`: the default config as a folder of one's own, all of it or nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from config.init import CONTENTS, default_files
from config.load import PACKAGED, load
from tests.conftest import Run


def files_of(folder: Path) -> dict[str, bytes]:
    paths = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}


def test_the_new_folder_holds_the_default_config_byte_for_byte(run: Run, tmp_path: Path) -> None:
    folder = tmp_path / "new" / "my config"
    ended = run("init", folder)
    assert (ended.code, ended.err) == (0, "")
    assert load(folder).version == load().version
    wanted = {path.as_posix(): (PACKAGED / path).read_bytes() for path in default_files()}
    assert files_of(folder) == wanted
    packaged = {path.relative_to(PACKAGED).as_posix() for path in PACKAGED.rglob("*.toml")}
    schemas = {f"schemas/{path.name}" for path in (PACKAGED / "schemas").iterdir()}
    assert wanted.keys() == packaged | schemas
    assert [path.name for path in folder.parent.iterdir()] == ["my config"]


def test_it_says_what_is_there_and_what_to_do_next(run: Run, tmp_path: Path) -> None:
    folder = tmp_path / "my config"
    ended = run("init", folder)
    assert all(name in ended.out for name in CONTENTS)
    top = {path.name + "/" * path.is_dir() for path in folder.iterdir()}
    assert top == CONTENTS.keys()
    assert f"  beckon check --config '{folder}'\n" in ended.out
    assert f"  beckon replay EVENTS --config '{folder}'\n" in ended.out


def test_an_empty_folder_is_filled(run: Run, tmp_path: Path) -> None:
    assert run("init", tmp_path).code == 0
    assert load(tmp_path).version == load().version


def test_a_folder_with_anything_in_it_is_left_as_it_is(run: Run, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    ended = run("init", tmp_path)
    assert ended.code == 2
    assert f"{tmp_path}: expected a new or empty folder, got one with files in it" in ended.err
    assert files_of(tmp_path) == {"notes.txt": b"mine"}


@pytest.mark.parametrize("kind", ["file", "link to nothing"])
def test_what_is_no_folder_is_left_as_it_is(run: Run, tmp_path: Path, kind: str) -> None:
    path = tmp_path / "config"
    path.write_text("mine") if kind == "file" else path.symlink_to(tmp_path / "gone")
    ended = run("init", path)
    assert ended.code == 2
    assert "expected a new or empty folder, got something else of this name" in ended.err
    assert path.is_symlink() or path.read_text() == "mine"
    assert list(tmp_path.iterdir()) == [path]


def test_a_place_that_cannot_be_written_is_told_and_nothing_is_left(
    run: Run, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    ended = run("init", tmp_path / "file" / "config")
    assert ended.code == 3
    assert ended.err.startswith(f"beckon: {tmp_path / 'file'}")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_new_folder_can_be_written_by_its_owner(run: Run, tmp_path: Path) -> None:
    folder = tmp_path / "config"
    assert run("init", folder).code == 0
    (tmp_path / "like").mkdir()
    assert folder.stat().st_mode == (tmp_path / "like").stat().st_mode
    assert all((folder / path).stat().st_mode & 0o200 for path in default_files())
