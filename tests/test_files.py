"""Lines come out of files exact and whole; files appear whole or not at all."""

from __future__ import annotations

import gzip
import lzma
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import zstandard

from connectors import files
from connectors.files import CUT_LINE_BYTES, LINE_BYTES_MAX, Chunk, Source, output, read_chunks

REPOSITORY = Path(__file__).parent.parent


def chunks_of(paths: list[Path], chunk_lines: int = 1000, **options: int) -> list[Chunk]:
    sources = [Source(path=str(path)) for path in paths]
    return list(read_chunks(sources, chunk_lines, **options))


def rows_of(chunks: list[Chunk]) -> list[tuple[int, bytes]]:
    return [row for c in chunks for row in zip(c.offset.tolist(), c.lines(), strict=True)]


def naive_rows(contents: list[bytes]) -> list[tuple[int, bytes]]:
    rows: list[tuple[int, bytes]] = []
    offset = 0
    for content in contents:
        lines = content.split(b"\n")
        if lines[-1] == b"":
            lines.pop()
        for line in lines:
            whole = len(line) <= LINE_BYTES_MAX
            kept = line.removesuffix(b"\r") if whole else line[:CUT_LINE_BYTES]
            if kept:
                rows.append((offset, kept))
            offset += 1
    return rows


def write(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def compress(suffix: str, content: bytes) -> bytes:
    if suffix == ".gz":
        return gzip.compress(content)
    if suffix == ".xz":
        return lzma.compress(content)
    return zstandard.ZstdCompressor().compress(content)


def test_lines_are_counted_over_all_files_and_empty_ones_count_too(tmp_path: Path) -> None:
    first = write(tmp_path / "a", b"one\n\ntwo\r\n\r\nthree")
    second = write(tmp_path / "b", b"")
    third = write(tmp_path / "c", b"\nfour\n\n")
    chunks = chunks_of([first, second, third])
    assert rows_of(chunks) == [(0, b"one"), (2, b"two"), (4, b"three"), (6, b"four")]
    ends = {chunk.source: (chunk.source_lines, chunk.next_offset) for chunk in chunks}
    assert ends == {0: (5, 5), 2: (3, 8)}


def test_any_chunk_size_and_block_size_give_the_same_lines(tmp_path: Path) -> None:
    draw = random.Random(7)
    contents = []
    for _ in range(3):
        pieces = draw.choices([b"\n", b"\r", b"a", b"bc", b"d" * 30, b"e" * 200], k=400)
        contents.append(b"".join(pieces))
    paths = [write(tmp_path / str(number), content) for number, content in enumerate(contents)]
    expected = naive_rows(contents)
    for block_bytes, chunk_lines in ((1, 1), (7, 3), (64, 1000), (1 << 20, 5)):
        chunks = chunks_of(paths, chunk_lines, block_bytes=block_bytes)
        assert rows_of(chunks) == expected
        assert all(len(chunk.start) <= chunk_lines for chunk in chunks)


@pytest.mark.parametrize("block_bytes", [1 << 16, 1 << 20, 4 << 20])
def test_a_line_beyond_the_limit_is_cut_and_marked_wherever_the_blocks_end(
    tmp_path: Path, block_bytes: int
) -> None:
    longest, too_long = b"l" * LINE_BYTES_MAX, b"t" * (LINE_BYTES_MAX + 1)
    lines = [b"short", longest, too_long, b"r" * 5_000_000, b"short", b"e" * 2_000_000]
    content = b"\n".join(lines)
    chunks = chunks_of([write(tmp_path / "a", content)], block_bytes=block_bytes)
    lengths = [len(line) for chunk in chunks for line in chunk.lines()]
    assert lengths == [5, LINE_BYTES_MAX, CUT_LINE_BYTES, CUT_LINE_BYTES, 5, CUT_LINE_BYTES]
    cut = [bool(flag) for chunk in chunks for flag in chunk.cut]
    assert cut == [False, False, True, True, False, True]
    assert [offset for offset, _ in rows_of(chunks)] == list(range(6))


@pytest.mark.parametrize("block_bytes", [1, 3, 1 << 20])
def test_skipped_lines_are_passed_over_and_offsets_go_on(tmp_path: Path, block_bytes: int) -> None:
    path = write(tmp_path / "a", b"0\n\n2\n3\n4\n")
    for skip, expected in ((0, b"0234"), (1, b"234"), (2, b"234"), (3, b"34"), (5, b""), (9, b"")):
        source = Source(path=str(path), skip_lines=skip)
        chunks = list(read_chunks([source], 2, first_offset=100, block_bytes=block_bytes))
        assert b"".join(line for chunk in chunks for line in chunk.lines()) == expected
        if expected:
            assert rows_of(chunks)[-1][0] == 100 + 4 - skip
            assert chunks[-1].next_offset == 100 + 5 - skip
            assert chunks[-1].source_lines == 5


@pytest.mark.parametrize("suffix", [".gz", ".xz", ".zst"])
def test_compressed_files_read_and_write_as_plain_ones(tmp_path: Path, suffix: str) -> None:
    content = b"".join(b"line %d\n" % number for number in range(50_000))
    path = tmp_path / f"events.jsonl{suffix}"
    with output(str(path)) as stream:
        stream.write(content)
    assert len(path.read_bytes()) < len(content) / 2
    assert rows_of(chunks_of([path])) == naive_rows([content])
    two_parts = compress(suffix, content[:1000]) + compress(suffix, content[1000:])
    assert rows_of(chunks_of([write(path, two_parts)])) == naive_rows([content])


@pytest.mark.parametrize("suffix", [".gz", ".xz", ".zst"])
@pytest.mark.parametrize("damage", ["cut short", "other bytes"])
def test_a_damaged_compressed_file_is_an_error_that_names_it(
    tmp_path: Path, suffix: str, damage: str
) -> None:
    content = compress(suffix, random.Random(1).randbytes(100_000))
    path = tmp_path / f"events{suffix}"
    path.write_bytes(content[:-20] if damage == "cut short" else b"not compressed at all")
    with pytest.raises(OSError, match=f"events{suffix}"):
        chunks_of([path])


def test_a_grown_file_has_the_same_identity_and_another_one_has_not(tmp_path: Path) -> None:
    path = write(tmp_path / "a", b"first\nsecond\n")
    before = files.source_identity(str(path))
    assert files.source_identity(str(write(path, b"first\nsecond\nthird\n"))) == before
    assert files.source_identity(str(write(path, b"other\nsecond\n"))) != before
    assert files.source_identity("-") == ""


def test_an_output_file_appears_only_when_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "out.jsonl"
    with output(str(path)) as stream:
        stream.write(b"new\n")
        assert not path.exists()
    assert path.read_bytes() == b"new\n"
    assert os.listdir(tmp_path) == ["out.jsonl"]


@pytest.mark.parametrize("trouble", [ValueError, KeyboardInterrupt, SystemExit])
def test_a_failed_output_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, trouble: type[BaseException]
) -> None:
    path = write(tmp_path / "out.jsonl", b"old\n")
    with pytest.raises(trouble), output(str(path)) as stream:
        stream.write(b"half")
        raise trouble
    assert path.read_bytes() == b"old\n"
    assert os.listdir(tmp_path) == ["out.jsonl"]


def test_an_output_through_a_link_or_to_a_device_replaces_neither(tmp_path: Path) -> None:
    target = write(tmp_path / "target", b"old\n")
    link = tmp_path / "link"
    link.symlink_to(target)
    with output(str(link)) as stream:
        stream.write(b"new\n")
    assert link.is_symlink()
    assert target.read_bytes() == b"new\n"
    with output(os.devnull) as stream:
        stream.write(b"gone\n")
    assert not os.path.isfile(os.devnull)


def test_an_output_file_has_the_permissions_of_any_new_file(tmp_path: Path) -> None:
    plain = write(tmp_path / "plain", b"")
    with output(str(tmp_path / "out")):
        pass
    assert (tmp_path / "out").stat().st_mode == plain.stat().st_mode


def run_python(code: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-c", code]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, stdin=pipe, stdout=pipe, cwd=REPOSITORY)


def test_an_interrupt_leaves_no_half_line_on_standard_output() -> None:
    code = """
from connectors.files import output
line = b"x" * 40_000 + b"\\n"
try:
    with output("-") as stream:
        while True:
            stream.write(line)
except KeyboardInterrupt:
    pass
"""
    with run_python(code) as process:
        assert process.stdout is not None
        received = process.stdout.read(1_000_000)
        time.sleep(0.05)  # the pipe is full now: the interrupt meets a write that waits
        process.send_signal(signal.SIGINT)
        received += process.stdout.read()
    assert process.returncode == 0
    assert len(received) % 40_001 == 0


def test_an_error_after_half_a_line_writes_whole_lines_only() -> None:
    code = """
from connectors.files import output
try:
    with output("-") as stream:
        stream.write(b"whole\\n" * 5000 + b"half")
        raise ValueError
except ValueError:
    pass
"""
    with run_python(code) as process:
        received, _ = process.communicate(timeout=10)
    assert received == b"whole\n" * 5000


def test_standard_input_is_read_to_its_end() -> None:
    code = """
from connectors.files import Source, read_chunks
for chunk in read_chunks([Source(path="-")], 10):
    for offset, line in zip(chunk.offset.tolist(), chunk.lines(), strict=True):
        print(offset, line)
"""
    with run_python(code) as process:
        printed, _ = process.communicate(b"a\n\nb", timeout=10)
    assert printed == b"0 b'a'\n2 b'b'\n"
