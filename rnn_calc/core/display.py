"""How a report shows itself in a notebook: by whatever the package's top has named, since the core knows no page.

What every start of a command makes asks for this only when it is shown: even so small a module takes a third of a
millisecond.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rnn_calc.core.errors import RnnCalcError

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Protocol

    from matplotlib.figure import Figure

    class Renderer(Protocol):
        """What makes a page and a figure of a report."""

        def html(self, report: object, /) -> str:
            """The report as a fragment of HTML."""

        def figure(self, report: object, /) -> Figure:
            """The report as a figure."""


class _Named:
    """The renderer that was named, ready to be loaded."""

    load: Callable[[], Renderer] | None = None


def render_with(load: Callable[[], Renderer]) -> None:
    """Name what renders every report; it is loaded when the first one is shown."""
    _Named.load = load


def html_of(report: object) -> str | None:
    """The report as a fragment of HTML; None where nothing renders it, and a notebook shows its plain text."""
    return None if _Named.load is None else _Named.load().html(report)


class Displayed:
    """A report that a notebook shows as the tables of its page."""

    def _repr_html_(self) -> str | None:
        return html_of(self)


class Plotted(Displayed):
    """A report that can also be drawn."""

    def plot(self) -> Figure:
        """The report as a matplotlib figure, which a notebook shows and `savefig` writes.

        Raises: OutputError where matplotlib is not installed (the extra `plot`).
        """
        if _Named.load is None:
            raise RnnCalcError("Nothing is there to draw with; take the report's function from rnn_calc itself.")
        return _Named.load().figure(self)
