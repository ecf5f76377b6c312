from __future__ import annotations

import os

import pytest

from rnn_calc.core import memory
from rnn_calc.core.errors import TooLargeError
from rnn_calc.core.memory import physical_memory, require_memory, write_bytes


@pytest.mark.parametrize(
    ("count", "written"),
    [
        (0, "0 bytes"),
        (1023, "1023 bytes"),
        (1536, "1.5 KiB"),
        (2**30, "1.0 GiB"),
        (8 * 10**18, "7,105 PiB"),  # 8·10^18 / 2^50 = 7105.4
    ],
)
def test_bytes_are_written_in_the_unit_that_fits(count: int, written: str) -> None:
    assert write_bytes(count) == written


def test_a_machine_has_the_memory_its_system_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sysconf", {"SC_PAGE_SIZE": 4096, "SC_PHYS_PAGES": 1000}.__getitem__, raising=False)
    assert physical_memory() == 4096 * 1000


def test_a_system_that_does_not_say_is_taken_for_a_small_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "sysconf", raising=False)
    assert physical_memory() == 8 * 2**30


def test_what_does_not_fit_is_refused_with_both_amounts_and_advice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "physical_memory", lambda: 10 * 2**30)
    require_memory(8 * 2**30, "A trace", "Stream it.")
    with pytest.raises(TooLargeError, match=r"^A trace needs 8\.0 GiB .* can give 8\.0 GiB\. Stream it\.$"):
        require_memory(8 * 2**30 + 1, "A trace", "Stream it.")
