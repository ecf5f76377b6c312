"""Pictures drawn by matplotlib into PNG, SVG or PDF files; imported only where one is asked for.

Figures are made without pyplot, whose figures and backend are global, and under matplotlib's own defaults: a style of
the user's could make curves alike.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from io import BytesIO
from math import ceil
from pathlib import Path
from textwrap import fill
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_pdf import FigureCanvasPdf
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

from rnn_calc.core.errors import printable
from rnn_calc.show.matplotlib_charts import draw_chart
from rnn_calc.show.matplotlib_heat_maps import draw_heat_map
from rnn_calc.show.picture import Chart, Picture

# Inches. A single picture is as wide as a page's text.
_WIDTH, _HEIGHT = 6.4, 3.6
_MOST_STACKED = 3
_DPI = 200
# Of a figure in a notebook: two to each of the page's, so that letters are sharp.
_SCALE = 2

# Any, because matplotlib's names of settings are plain strings to some of its versions and not to others.
_SETTINGS: Any = {
    # DejaVu Sans comes with matplotlib and has every sign that we write; a reader's machine has some sans-serif.
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans", "Helvetica", "Arial"],
    "font.size": 9,
    "axes.linewidth": 0.6,
    "axes.titlesize": 10,
    "text.parse_math": False,
    "svg.fonttype": "none",
    "pdf.fonttype": 42,
    # Names of parts are hashed with this: the same picture is the same file.
    "svg.hashsalt": "rnncalc",
}

# The canvas of each suffix, and what keeps dates out of its file.
_CANVASES: dict[str, tuple[Callable[[Figure], Any], dict[str, str | None]]] = {
    ".png": (FigureCanvasAgg, {}),
    ".svg": (FigureCanvasSVG, {"Date": None}),
    ".pdf": (FigureCanvasPdf, {"CreationDate": None}),
}


class ShownFigure(Figure):
    """A figure that a notebook shows as it is, whatever it has been told to do with those of pyplot."""

    def _repr_png_(self) -> tuple[bytes, dict[str, int]]:
        """The picture, and how wide and high it is to be shown."""
        png = BytesIO()
        with _settings():
            self.savefig(png, format="png", dpi=_SCALE * self.dpi)
        width, height = self.get_size_inches() * self.dpi
        return png.getvalue(), {"width": round(width), "height": round(height)}


def write_pictures(pictures: Sequence[Picture], path: Path, suffix: str = "") -> None:
    """Write all pictures as one file, whose suffix (or `suffix`) says what it becomes: .png, .svg or .pdf."""
    kind = (suffix or path.suffix).lower()
    canvas, metadata = _CANVASES[kind]
    with _settings():
        figure = _figure(pictures)
        canvas(figure)
        figure.savefig(path, format=kind.removeprefix("."), dpi=_DPI, metadata=metadata)


def figure_of(pictures: Sequence[Picture]) -> Figure:
    """All pictures as one figure, which a notebook shows."""
    with _settings():
        return _figure(pictures)


@contextmanager
def _settings() -> Iterator[None]:
    """Our settings while a figure is made or drawn, and the user's again after that."""
    with mpl.rc_context(), warnings.catch_warnings():
        # A word in a script that the font has not is drawn as boxes; in SVG it is text, and the reader's font has it.
        warnings.filterwarnings("ignore", "Glyph .* missing from")
        mpl.rcdefaults()
        mpl.rcParams.update(_SETTINGS)
        yield


def _figure(pictures: Sequence[Picture]) -> Figure:
    """One below the other; more than a few in two columns."""
    columns = 1 if len(pictures) <= _MOST_STACKED else 2
    rows = ceil(len(pictures) / columns)
    figure = ShownFigure(figsize=(columns * _WIDTH, rows * _HEIGHT), layout="constrained")
    # Parts of their own, so that one's legend takes no room from another.
    parts = figure.subfigures(rows, columns, squeeze=False).flat
    for place, (picture, part) in enumerate(zip(pictures, parts, strict=False), 1):
        axes = part.add_subplot()
        axes.set_gid(f"picture-{place}")
        _label(axes, picture)
        if isinstance(picture, Chart):
            draw_chart(axes, picture, f"picture-{place}")
        else:
            draw_heat_map(axes, picture)
    return figure


def _label(axes: Axes, picture: Picture) -> None:
    axes.set_xlabel(_folded(picture.x_label, 80))
    # As long as the axis is high.
    axes.set_ylabel(_folded(picture.y_label, 48))
    if picture.title:
        axes.set_title(_folded(picture.title, 72), loc="left")


def _folded(text: str, width: int) -> str:
    return fill(printable(text), width, break_on_hyphens=False)
