"""The worked examples that are shipped: one model file each."""

from __future__ import annotations

from pathlib import Path

from rnn_calc.core.errors import UsageError, did_you_mean, quoted
from rnn_calc.files.model import ModelFile
from rnn_calc.files.model_reader import read_model

_FOLDER = Path(__file__).parent / "examples"


def example_names() -> list[str]:
    """The names of all examples, in order."""
    return sorted(path.stem for path in _FOLDER.glob("*.toml"))


def example_path(name: str) -> Path:
    """Where an example's file lies.

    Raises: UsageError for a name that there is not, with the nearest.
    """
    if name not in example_names():
        raise UsageError(
            f"There is no example {quoted(name)}; `rnncalc examples` lists them.{did_you_mean(name, example_names())}"
        )
    return _FOLDER / f"{name}.toml"


def read_example(name: str) -> ModelFile:
    """The example of that name."""
    return read_model(str(example_path(name)))._replace(label=f"the example {name}")
