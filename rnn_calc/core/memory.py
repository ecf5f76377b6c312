"""How much memory there is, and a refusal before too much of it is asked for."""

from __future__ import annotations

import os

from rnn_calc.core.errors import TooLargeError

FLOAT64 = 8
_UNKNOWN_MACHINE = 8 * 2**30
# Leaves room for the interpreter, temporary copies and everybody else.
_USABLE_SHARE = 0.8


def physical_memory() -> int:
    """Bytes of memory in this machine; 8 GiB where the system does not say."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return _UNKNOWN_MACHINE


def usable_memory() -> int:
    """Bytes that a command may ask for."""
    return int(physical_memory() * _USABLE_SHARE)


def write_bytes(count: int) -> str:
    """A number of bytes for a sentence: 1.5 GiB."""
    size = float(count)
    for unit in ("bytes", "KiB", "MiB", "GiB", "TiB"):
        if size < 1024:
            return f"{size:.0f} {unit}" if unit == "bytes" else f"{size:.1f} {unit}"
        size /= 1024
    return f"{size:,.0f} PiB"


def require_memory(needed: int, purpose: str, advice: str) -> None:
    """Nothing, when `needed` bytes can be had.

    Raises: TooLargeError, naming the memory that `purpose` takes, what the machine has, and `advice`.
    """
    limit = usable_memory()
    if needed > limit:
        raise TooLargeError(
            f"{purpose} needs {write_bytes(needed)} of memory; this machine can give {write_bytes(limit)}. {advice}"
        )
