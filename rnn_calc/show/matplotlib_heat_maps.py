"""A heat map on matplotlib's axes, in colours that every kind of colour vision tells apart."""

from __future__ import annotations

from itertools import pairwise

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Colormap, ListedColormap, Normalize, to_rgb
from matplotlib.patches import Patch

from rnn_calc.core.errors import printable
from rnn_calc.core.weights import Array
from rnn_calc.show.axis_ticks import Tick, text_ticks
from rnn_calc.show.heat_map import Scale, letters_of, scale_of
from rnn_calc.show.picture import HeatMap

# Okabe and Ito 2008, the light and the dark by turns.
_CATEGORIES = ("#56B4E9", "#D55E00", "#F0E442", "#0072B2", "#E69F00", "#009E73", "#CC79A7")
_MOST_CELLS = 4000
_MOST_X_TICKS, _MOST_Y_TICKS = 12, 12
# Characters for which the horizontal axis has room beside a legend.
_LINE = 60
# As many columns as leave a letter room.
_MOST_LETTERED = 40
# Colours whose red, green and blue together are less take white letters.
_DARK = 1.3


def draw_heat_map(axes: Axes, heat_map: HeatMap) -> None:
    """The values as cells, the first row at the top, with a colour bar or a legend of the categories."""
    values = (
        np.ma.masked_invalid(heat_map.values)
        if heat_map.names
        else np.ma.masked_where(np.isnan(heat_map.values), heat_map.values)
    )
    if not values.size:
        axes.text(0.5, 0.5, "There is no row or no column", ha="center", va="center", transform=axes.transAxes)
        return
    if heat_map.names:
        _draw_categories(axes, heat_map, values)
    else:
        _draw_values(axes, heat_map, values)
    x_ticks, y_ticks = text_ticks(heat_map.x_ticks, _MOST_X_TICKS), text_ticks(heat_map.y_ticks, _MOST_Y_TICKS)
    upright = _too_wide(x_ticks, values.shape[1])
    axes.set_xticks([place for place, _ in x_ticks], [printable(text) for _, text in x_ticks], rotation=90 * upright)
    named = [(place, printable(text)) for place, text in y_ticks if text]
    axes.set_yticks([place for place, _ in named], [text for _, text in named])


def _too_wide(ticks: list[Tick], columns: int) -> bool:
    """Whether two neighbours, written across, would run into each other."""
    return any(
        (len(before) + len(after)) / 2 + 1 > _LINE * (end - start) / columns
        for (start, before), (end, after) in pairwise(ticks)
    )


def _show(axes: Axes, values: Array, colors: Colormap, norm: Normalize) -> ScalarMappable:
    rows, columns = values.shape
    extent = (-0.5, columns - 0.5, rows - 0.5, -0.5)
    # More than these no page shows, and each would take several times the memory of its number.
    thinned = values[:: -(-rows // _MOST_CELLS), :: -(-columns // _MOST_CELLS)]
    return axes.imshow(thinned, cmap=colors, norm=norm, aspect="auto", interpolation="nearest", extent=extent)


def _draw_values(axes: Axes, heat_map: HeatMap, values: Array) -> None:
    scale = scale_of(heat_map.values, heat_map.centre)
    colors = "cividis" if heat_map.centre is None else "RdBu_r"
    image = _show(axes, values, _map(colors), _norm(scale))
    figure = axes.get_figure()
    assert figure is not None
    bar = figure.colorbar(image, ax=axes, extend="both" if scale.clipped else "neither", pad=0.02)
    bar.set_label(printable(heat_map.value_label))


def _map(name: str) -> Colormap:
    return mpl.colormaps[name].with_extremes(bad="white")


def _norm(scale: Scale) -> Normalize:
    low, high = scale.low, scale.high
    return Normalize(low, high) if low < high else Normalize(low - 0.5, low + 0.5)


def _draw_categories(axes: Axes, heat_map: HeatMap, values: Array) -> None:
    """Colours, with the categories' letters upon them where there is room: print may have no colours."""
    colors = [_CATEGORIES[index % len(_CATEGORIES)] for index in range(len(heat_map.names))]
    _show(axes, values, ListedColormap(colors), Normalize(-0.5, len(colors) - 0.5))
    letters = letters_of(heat_map.names)
    rows, columns = heat_map.values.shape
    if max(rows * 2, columns) <= _MOST_LETTERED:
        for (row, column), value in np.ndenumerate(heat_map.values):
            if np.isfinite(value):
                ink = "white" if sum(to_rgb(colors[int(value)])) < _DARK else "black"
                axes.text(column, row, letters[int(value)], ha="center", va="center", fontsize=8, color=ink)
    patches = [
        Patch(facecolor=color, edgecolor="black", linewidth=0.4, label=f"{letter}  {printable(name)}")
        for color, letter, name in zip(colors, letters, heat_map.names, strict=True)
    ]
    axes.legend(
        handles=patches,
        title=printable(heat_map.value_label),
        loc="upper left",
        bbox_to_anchor=(1.01, 1.0),
        borderaxespad=0,
        frameon=False,
    )
