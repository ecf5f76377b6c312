"""The option groups of the commands that run a network; apart, so that the others need not make them at start-up."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import typer

from rnn_calc.commands.options import FILES, Values, size_option, text_option

# The heading of the options of a loss in the help.
LOSS_SECTION = "The loss"


@dataclass(frozen=True)
class WeightOptions:
    """How weights are drawn that no file gives."""

    init: Annotated[
        str | None,
        text_option("--init", text="gaussian, uniform, xavier, orthogonal or identity. [gaussian]", metavar="NAME"),
        Values("core.vocabulary", "INITS"),
    ] = None
    gain: Annotated[
        float | None,
        typer.Option("--gain", help="Factor on every drawn matrix. [1]", metavar="X", show_default=False),
    ] = None
    seed: Annotated[int | None, size_option("--seed", "-s", text="Seed of everything drawn. [0]")] = None


@dataclass(frozen=True)
class ScalingOptions:
    """How large the recurrent matrices are made, drawn or given."""

    spectral_radius: Annotated[
        str | None,
        text_option("--spectral-radius", "-r", text="Scale W_hh, of every gate, to it first.", metavar="R"),
    ] = None
    spectral_norm: Annotated[
        str | None, text_option("--spectral-norm", text="The same for the largest singular value.", metavar="S")
    ] = None


@dataclass(frozen=True)
class SequenceOptions:
    """What goes in, step by step."""

    sequence: Annotated[
        str | None,
        text_option(
            "--sequence",
            "-x",
            text='Inputs: "1, -2, 3" or "0.5,0.2; 0.1,0.9", @FILE, a .csv/.json/.npy, or - for stdin.',
            metavar="NUMBERS",
        ),
        FILES,
    ] = None
    text: Annotated[str | None, text_option("--text", text="Words: through the model's [embedding], else one-hot.")] = (
        None
    )
    steps: Annotated[
        int | None,
        size_option(
            "--steps", "-T", text="Steps to draw without a sequence. [trace 5, bptt 10, gradient-decay 50, sweep 100]"
        ),
    ] = None
    inputs: Annotated[
        str | None,
        text_option("--inputs", text="What to draw: gaussian or zeros. [gaussian]", metavar="KIND"),
        Values("core.vocabulary", "INPUTS"),
    ] = None
    h0: Annotated[
        str | None,
        text_option(
            "--h0", text='Initial state, "0.1, 0.2"; of each layer: "0.1; 0.2"; or gaussian. [zeros]', metavar="NUMBERS"
        ),
        Values(also=("gaussian",)),
    ] = None
    c0: Annotated[
        str | None,
        text_option("--c0", text="The same for an LSTM's cell state.", metavar="NUMBERS"),
        Values(also=("gaussian",)),
    ] = None


@dataclass(frozen=True)
class LossOptions:
    """What the outputs are judged by."""

    loss: Annotated[
        str | None,
        text_option(
            "--loss",
            text="last or sum (of the outputs), mse or cross-entropy. [what fits the targets; without any, last]",
            metavar="NAME",
            section=LOSS_SECTION,
        ),
        Values("core.vocabulary", "LOSSES"),
    ] = None
    targets: Annotated[
        str | None,
        text_option(
            "--targets",
            text='What the outputs should be, as --sequence takes it: "1,0; 0,1"; classes: "0, 2, 1"; nan: none.',
            metavar="NUMBERS",
            section=LOSS_SECTION,
        ),
        FILES,
    ] = None
    reduction: Annotated[
        str | None,
        text_option(
            "--reduction", text="mse and cross-entropy: mean or sum. [mean]", metavar="NAME", section=LOSS_SECTION
        ),
        Values("core.vocabulary", "REDUCTIONS"),
    ] = None


def flag(name: str) -> str:
    """The option of that name, as it is typed."""
    return f"--{name.replace('_', '-')}"
