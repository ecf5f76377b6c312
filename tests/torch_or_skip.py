"""torch where it is installed; elsewhere something that skips the test that calls it."""

from __future__ import annotations

from typing import Any, NoReturn

import pytest


class _Missing:
    def __getattr__(self, name: str) -> _Missing:
        return self

    def __call__(self, *args: object, **named: object) -> NoReturn:
        pytest.skip("torch is not installed")


torch: Any = _Missing()
try:
    import torch as installed
except ImportError:
    pass
else:
    torch = installed


def safetensors_torch() -> Any:
    """The reference implementation of safetensors for torch; the test is skipped where one of them is absent."""
    return pytest.importorskip("safetensors.torch")
