"""A picture as a figure on a page."""

from __future__ import annotations

from rnn_calc.show.document import Figure
from rnn_calc.show.picture import Chart, Picture


def picture_figure(picture: Picture) -> Figure:
    """The picture drawn with characters, to the measure of any page."""
    if isinstance(picture, Chart):
        from rnn_calc.show.charts import chart_figure

        return chart_figure(picture)
    from rnn_calc.show.heat_map import heat_map_figure

    return heat_map_figure(picture)
