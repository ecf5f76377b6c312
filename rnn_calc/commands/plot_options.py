"""The option group of the commands that draw."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from rnn_calc.commands.options import FILES, OutputOptions, text_option

if TYPE_CHECKING:
    from rnn_calc.show.output import Destination


@dataclass(frozen=True)
class PlotOptions:
    """Whether a picture is drawn too, and where it goes."""

    plot: Annotated[
        str | None,
        text_option("--plot", text="Draw it as well, into a .png, .svg or .pdf; needs matplotlib.", metavar="FILE"),
        FILES,
    ] = None


def destination_with_plot(output: OutputOptions, plot: PlotOptions) -> Destination:
    """Where and how the result is written, and the file of its picture: both checked before any work is done."""
    from rnn_calc.commands.setup import destination_of

    destination = destination_of(output)
    if plot.plot is None:
        return destination
    from rnn_calc.show.plotting import with_plot

    return with_plot(destination, plot.plot)
