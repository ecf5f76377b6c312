"""The file of --plot: whether it can be drawn and written, before any work is done; and the drawing of it, after."""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path

from rnn_calc.core.errors import OutputError, UsageError
from rnn_calc.show.output import Destination, View, format_of, named, require_writable, write_file

_SUFFIXES = {".png": "png", ".svg": "svg", ".pdf": "pdf"}


def with_plot(destination: Destination, plot: str) -> Destination:
    """The destination with that file for the pictures, too.

    Raises: UsageError for a name that is none of a picture, or is --output's as well; OutputError for a file that
    exists (unless it may go), and where matplotlib is not installed or does not start.
    """
    format_of(plot, _SUFFIXES)
    if destination.path is not None and Path(destination.path).resolve() == Path(plot).resolve():
        raise UsageError(f"--plot and --output both name {named(plot)}; give them different names.")
    require_writable(plot, force=destination.force, option="--plot")
    require_matplotlib("--plot")
    return destination._replace(plot=plot)


def require_matplotlib(what: str) -> None:
    """Nothing, where `what` can draw.

    Raises: OutputError where matplotlib is not installed, or does not start.
    """
    try:
        import rnn_calc.show.matplotlib_pictures  # noqa: F401 - asked for here, before the work, and used after it
    except ModuleNotFoundError as error:
        if error.name != "matplotlib":
            raise
        raise OutputError(f"{what} needs matplotlib, which is not installed: pip install 'rnn-calc[plot]'") from None
    except (ImportError, ValueError) as error:
        # Libraries that do not fit together; MPLBACKEND that names none.
        raise OutputError(f"{what} needs matplotlib, which does not start: {error}.") from None


def write_plot(view: View, plot: str) -> None:
    """Draw the view's pictures into the file, and say so on stderr.

    Raises: OutputError when it cannot be written; no partial file stays.
    """
    from rnn_calc.show.matplotlib_pictures import write_pictures

    assert view.pictures is not None, f"{view.command} takes --plot, so it has pictures"
    pictures = view.pictures()
    write_file(plot, lambda path: write_pictures(pictures, path, Path(plot).suffix))
    if sys.stderr is not None:  # closed by the shell
        with contextlib.suppress(OSError):
            print(f"rnncalc: plotted {named(plot)}", file=sys.stderr)
