"""Records against the frozen dataclasses that they stand for."""

from __future__ import annotations

import copy
import pickle
from dataclasses import dataclass

import pytest

from rnn_calc.core.records import Record


class Base(Record):
    name: str
    axes: tuple[str, ...]
    mark: str = ""


class Longer(Base):
    index: int = 0


class Other(Record):
    name: str
    axes: tuple[str, ...]
    mark: str = ""


@dataclass(frozen=True)
class Twin:
    name: str
    axes: tuple[str, ...]
    mark: str = ""
    index: int = 0


ARGUMENTS = [("W", ("a", "b")), ("W", ("a", "b"), "x"), ("W", (), "x", 3), ("V", ("a", "b"))]


def test_a_record_equals_hashes_and_prints_as_a_dataclass() -> None:
    for one in ARGUMENTS:
        record, twin = Longer(*one), Twin(*one)  # type: ignore[arg-type]
        assert repr(record) == repr(twin).replace("Twin", "Longer")
        assert hash(record) == hash(twin)
        for two in ARGUMENTS:
            assert (record == Longer(*two)) == (twin == Twin(*two))  # type: ignore[arg-type]


def test_records_of_two_classes_are_never_equal() -> None:
    assert Base("W", ("a",)) != Other("W", ("a",))
    assert Base("W", ("a",)) != Longer("W", ("a",))
    assert Base("W", ("a",)) != ("W", ("a",), "")


def test_arguments_have_names_and_defaults() -> None:
    assert Longer(axes=("a",), name="W", index=2) == Longer("W", ("a",), "", 2)
    assert Longer("W", ("a",)).mark == ""


def test_fields_match_by_place_and_by_name() -> None:
    match Longer("W", ("a", "b"), "x", 7):
        case Longer(name, (first, _), index=index):
            assert (name, first, index) == ("W", "a", 7)
        case _:
            pytest.fail("no match")


def test_a_record_cannot_be_changed() -> None:
    record = Base("W", ("a",))
    with pytest.raises(AttributeError, match="Base is frozen: name cannot be set"):
        record.name = "V"  # type: ignore[misc]
    assert record.name == "W"


def test_a_record_can_be_copied_and_kept() -> None:
    record = Longer("W", ("a",), index=2)
    assert copy.deepcopy(record) == pickle.loads(pickle.dumps(record)) == record
