"""The journal of an unfinished sweep, whole, cut short, damaged and hostile."""

from __future__ import annotations

import contextlib
import json
import os
from math import inf
from pathlib import Path
from zlib import crc32

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rnn_calc.core.errors import DataError, OutputError
from rnn_calc.core.phases import OUTGROWN, Measurement
from rnn_calc.files.journal import Journal, Settings
from rnn_calc.files.records import measurement_record, read_measurement

SETTINGS = Settings("digest", 5, "rnncalc sweep --over gain=1:5:5", "0.1.0")
RUNS = {
    0: Measurement(-12.5, 0.75, "vanishing", -0.28768, 0.0125, "vanishing"),
    3: Measurement(-inf, 0.0, "vanishing", -inf, None, "vanishing"),
    1: OUTGROWN,
    4: Measurement(1 / 3, 1.1, "exploding", 0.1, 1e-17, "chaotic"),
}


def opened(path: Path, settings: Settings = SETTINGS, *, resume: bool = True, force: bool = False) -> Journal:
    return Journal(path, settings, resume=resume, force=force)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A journal with four of five runs."""
    path = tmp_path / "out.csv.partial"
    with opened(path) as journal:
        for run, measurement in RUNS.items():
            journal.add(run, measurement)
    return path


def line(record: object) -> bytes:
    text = json.dumps(record).encode()
    return b"%08x %s\n" % (crc32(text), text)


def test_what_is_written_is_read_back_bit_for_bit(path: Path) -> None:
    with opened(path) as journal:
        assert journal.done == RUNS
        journal.remove()
    assert not path.exists()


def test_cut_short_anywhere_it_still_holds_what_was_whole(path: Path) -> None:
    content = path.read_bytes()
    ends = [index for index, char in enumerate(content) if char == ord("\n")]
    for length in range(len(content)):
        path.write_bytes(content[:length])
        with opened(path) as journal:
            whole = sum(end < length for end in ends)
            assert journal.done == dict(list(RUNS.items())[: max(0, whole - 1)])
            journal.add(2, RUNS[0])
        with opened(path) as journal:
            assert journal.done[2] == RUNS[0]


@given(place=st.integers(0, 10**6), bit=st.integers(0, 7))
@settings(deadline=None, max_examples=60)
def test_a_flipped_bit_never_makes_another_result(
    tmp_path_factory: pytest.TempPathFactory, place: int, bit: int
) -> None:
    path = tmp_path_factory.mktemp("flipped") / "j.partial"
    with opened(path) as journal:
        for run, measurement in RUNS.items():
            journal.add(run, measurement)
    content = bytearray(path.read_bytes())
    content[place % len(content)] ^= 1 << bit
    path.write_bytes(bytes(content))
    # A head that is damaged is refused.
    with contextlib.suppress(DataError), opened(path) as journal:
        assert journal.done.items() <= RUNS.items()


def test_an_unfinished_sweep_is_neither_lost_nor_gone_on_with_unasked(path: Path) -> None:
    before = path.read_bytes()
    with pytest.raises(OutputError, match="4 runs of an unfinished sweep; add --resume to go on with it, or --force"):
        opened(path, resume=False)
    assert path.read_bytes() == before
    with opened(path, resume=False, force=True) as journal:
        assert journal.done == {}
    with opened(path) as journal:
        assert journal.done == {}


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        (
            {"digest": "other", "command": "rnncalc sweep --over gain=1:6:5"},
            "is of another sweep: rnncalc sweep --over",
        ),
        ({"digest": "other"}, "a file it reads was another one"),
        ({"runs": 6}, "begin anew with --force"),
        ({"version": "0.2.0"}, "begun by rnncalc 0.1.0, and this is 0.2.0"),
    ],
)
def test_another_sweep_is_refused_and_its_journal_kept(path: Path, changed: dict[str, str], said: str) -> None:
    before = path.read_bytes()
    with pytest.raises(DataError) as caught:
        opened(path, SETTINGS._replace(**changed))  # type: ignore[arg-type]
    assert said in str(caught.value)
    assert path.read_bytes() == before


@pytest.mark.parametrize("content", [b"my notes\n", b"\0" * 100, b"rnncalc swept\n", b"{}\n"])
def test_a_file_that_is_no_journal_is_left_alone(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x.partial"
    path.write_bytes(content)
    for force in (False, True):
        with pytest.raises(DataError, match="is no journal of a sweep"):
            opened(path, resume=not force, force=force)
    assert path.read_bytes() == content


@pytest.mark.parametrize(
    "head",
    [
        b"nonsense\n",
        line([]),
        line({"digest": "digest"}),
        line({**SETTINGS._asdict(), "command": 5}),
        line({**SETTINGS._asdict(), "version": ["\x1b[31m"]}),
        b"00000000 " + b"[" * 50_000 + b"\n",
        line(0).replace(b"0\n", b"[" * 60_000 + b"\n"),
    ],
)
def test_a_damaged_head_is_refused_in_words(tmp_path: Path, head: bytes) -> None:
    path = tmp_path / "x.partial"
    path.write_bytes(b"rnncalc sweep 1 " + head)
    with pytest.raises(DataError, match="damaged in its first line"):
        opened(path)
    with opened(path, resume=False, force=True) as journal:
        assert journal.done == {}


GOOD = {"run": 2, **measurement_record(RUNS[0])}


@pytest.mark.parametrize(
    "record",
    [
        {**GOOD, "run": 5},
        {**GOOD, "run": -1},
        {**GOOD, "run": 1.0},
        {**GOOD, "run": True},
        {**GOOD, "run": 10**100},
        {**GOOD, "phase": "calm"},
        {**GOOD, "phase": ["vanishing"]},
        {**GOOD, "verdict": "chaotic"},
        {**GOOD, "phase": "chaotic"},
        {**GOOD, "log10_norm": "1"},
        {**GOOD, "log10_norm": None},
        {**GOOD, "log10_norm": 1},
        {**GOOD, "lyapunov": float("nan")},
        {**GOOD, "lyapunov": inf},
        {**GOOD, "rate_per_step": "-inf"},
        {**GOOD, "more": 1.0},
        {key: value for key, value in GOOD.items() if key != "phase"},
        {},
    ],
)
def test_a_line_with_the_right_checksum_and_wrong_content_is_refused(path: Path, record: dict[str, object]) -> None:
    with path.open("ab") as file:
        file.write(line(record))
    with pytest.raises(DataError, match="line 6 is no run of this sweep"):
        opened(path)


def test_a_line_that_contradicts_an_earlier_one_is_refused(path: Path) -> None:
    with path.open("ab") as file:
        file.write(line({**GOOD, "run": 4}))
    with pytest.raises(DataError, match="line 6 contradicts"):
        opened(path)


def test_garbage_between_the_lines_is_no_result(path: Path) -> None:
    with path.open("ab") as file:
        file.write(b"garbage\n\n\xff\xfe\x00\n" + b"9" * 600 + b"\n")
    with opened(path) as journal:
        assert journal.done == RUNS


def test_a_journal_far_too_large_is_not_read(path: Path) -> None:
    with path.open("r+b") as file:
        file.truncate(10**10)
    with pytest.raises(DataError, match="too large to be the journal"):
        opened(path)


def test_two_sweeps_do_not_write_the_same_journal(path: Path) -> None:
    with opened(path), pytest.raises(OutputError, match="is being written by another sweep"):
        opened(path)
    opened(path).close()


def test_a_link_of_that_name_is_not_followed(tmp_path: Path) -> None:
    target, link = tmp_path / "precious", tmp_path / "x.partial"
    target.write_bytes(b"")
    link.symlink_to(target)
    with pytest.raises(OutputError, match="cannot be written"):
        opened(link)
    assert target.read_bytes() == b""


def test_a_pipe_of_that_name_is_no_journal(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "x.partial")
    with pytest.raises(OutputError, match="is no file"):
        opened(tmp_path / "x.partial")


@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(max_size=5), lambda inner: st.lists(inner, max_size=3)
    )
)
def test_a_record_of_anything_is_a_measurement_or_none(value: object) -> None:
    assert read_measurement(value) is None
    for name in Measurement._fields:
        found = read_measurement({**measurement_record(RUNS[0]), name: value})
        assert found is None or read_measurement(measurement_record(found)) == found
