"""What gradient-decay can be asked for, and which of it makes no sense together."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Annotated

import typer

from rnn_calc.commands.options import size_option, text_option
from rnn_calc.commands.run_options import LossOptions
from rnn_calc.core.errors import UsageError, did_you_mean, listed, quoted

if TYPE_CHECKING:
    from rnn_calc.core.convoy import Family

THRESHOLD = 1e-3
TOLERANCE = 1e-10
_TOLERANCES = (1e-12, 1e-3)
FAMILIES: dict[str, tuple[Family, ...]] = {"back": ("back",), "forward": ("forward",), "both": ("back", "forward")}
STATES = ("h", "c", "state")


@dataclass(frozen=True)
class DecayOptions:
    """What is measured."""

    spectral_radius: Annotated[
        list[str] | None,
        typer.Option(
            "--spectral-radius",
            "-r",
            help="Scale W_hh, of every gate, to it first; several: 0.5,1,1.5.",
            metavar="R,R,…",
        ),
    ] = None
    spectral_norm: Annotated[
        list[str] | None,
        typer.Option("--spectral-norm", help="The same for the largest singular value.", metavar="S,S,…"),
    ] = None
    direction: Annotated[
        str | None,
        text_option("--direction", text="Of a layer that has both: forward or backward. [forward]", metavar="NAME"),
    ] = None
    threshold: Annotated[
        float, typer.Option("--threshold", help="Report the first lag whose norm is below it.", metavar="X")
    ] = THRESHOLD
    jacobian: Annotated[
        list[int] | None,
        typer.Option("--jacobian", "-j", help="Print the whole ∂h_T/∂h_{T−LAG}; repeatable.", metavar="LAG"),
    ] = None
    family: Annotated[
        str | None,
        text_option(
            "--family",
            text="back from the last step, ∂h_T/∂h_{T−lag}; forward from the first, ∂h_lag/∂h_0; or both. [back]",
            metavar="NAME",
        ),
    ] = None
    through: Annotated[
        str | None,
        text_option(
            "--through", text="Which states: h, c, or state for all in one matrix; h,state. [h,c]", metavar="S"
        ),
    ] = None
    singular_values: Annotated[
        int | None, size_option("--singular-values", text="The N largest singular values at each lag, not one alone.")
    ] = None
    tolerance: Annotated[
        float,
        typer.Option("--tolerance", help="What each norm is certified to, relative: 1e-12 to 1e-3.", metavar="X"),
    ] = TOLERANCE
    lyapunov: Annotated[
        str | None,
        text_option(
            "--lyapunov", text="Add the N largest Lyapunov exponents: rates along the run; or all.", metavar="N"
        ),
    ] = None
    burn_in: Annotated[
        int | None, size_option("--burn-in", text="Steps that --lyapunov leaves out at the start. [a quarter]")
    ] = None

    @property
    def families(self) -> tuple[Family, ...]:
        """The families to measure.

        Raises: UsageError for a name that is none.
        """
        name = self.family or "back"
        if name not in FAMILIES:
            raise UsageError(
                f"There is no family {quoted(name)} of Jacobians; --family is {listed(FAMILIES)}."
                f"{did_you_mean(name, FAMILIES)}"
            )
        return FAMILIES[name]

    @property
    def states(self) -> tuple[str, ...]:
        """The states to measure; none for those that the cell has.

        Raises: UsageError for a name that is none.
        """
        names = tuple(dict.fromkeys(part.strip() for part in self.through.split(","))) if self.through else ()
        for name in names:
            if name not in STATES:
                raise UsageError(
                    f"There is no state {quoted(name)}; --through is h, c, or state for all of them in one matrix."
                )
        return names


def said(options: DecayOptions | LossOptions) -> dict[str, object]:
    """The options that are not at their defaults, by name; several values of one scaling as one."""
    found: dict[str, object] = {}
    for field in fields(options):
        value = getattr(options, field.name)
        if value not in (field.default, []):
            found[field.name] = ",".join(value) if field.name.startswith("spectral") else value
    return found


def check_options(options: DecayOptions) -> None:
    """Nothing, when every number is one that can be, and all that is asked for makes sense together.

    Raises: UsageError.
    """
    if not 0 < options.threshold < 1:
        raise UsageError(f"--threshold must lie between 0 and 1; it is {options.threshold:g}.")
    least, largest = _TOLERANCES
    if not least <= options.tolerance <= largest:
        raise UsageError(
            f"--tolerance must lie between {least:g}, what float64 can keep, and {largest:g}; it is "
            f"{options.tolerance:g}."
        )
    if options.singular_values is not None and options.singular_values < 1:
        raise UsageError(f"--singular-values must be at least 1; it is {options.singular_values}.")
    if options.burn_in is not None and options.lyapunov is None:
        raise UsageError("--burn-in is what --lyapunov leaves out; add --lyapunov N.")
    assert options.families
    assert options.states or not options.through


def flag(name: str) -> str:
    """The option of that name, as it is typed."""
    return f"--{name.replace('_', '-')}"
