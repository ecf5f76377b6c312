"""What gradient-decay can be asked for, and which of it makes no sense together."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Annotated

import typer

from rnn_calc.commands.options import Values, size_option, text_option
from rnn_calc.commands.run_options import LOSS_SECTION, LossOptions, flag
from rnn_calc.commands.setup import choose
from rnn_calc.core.errors import UsageError, did_you_mean, listed, quoted
from rnn_calc.core.vocabulary import LOSSES, REDUCTIONS

if TYPE_CHECKING:
    from rnn_calc.core.convoy import Family

THRESHOLD = 1e-3
_MOST_RUNS = 100_000
TOLERANCE = 1e-10
_TOLERANCES = (1e-12, 1e-3)
FAMILIES: dict[str, tuple[Family, ...]] = {"back": ("back",), "forward": ("forward",), "both": ("back", "forward")}
STATES = ("h", "c", "state")
DIRECTIONS = ("forward", "backward")
VARIED = ("weights", "sequences", "all")
_OF_JACOBIANS = ("jacobian", "singular_values", "pairs", "across", "lyapunov", "burn_in", "remedies")
# What replaces the measurement, why the options after it have nothing to act on, and which these are.
_APART = {
    "from_loss": (
        "--from-loss measures ∂L/∂h_t, one vector a step, and no Jacobians",
        ("family", "through", "tolerance", *_OF_JACOBIANS, "ensemble", "vary"),
    ),
    "ensemble": ("--ensemble tells quartiles of norms over many runs", _OF_JACOBIANS),
}


# Headings of the help.
_MEASURED, _SIDE_BY_SIDE = "What is measured", "Several networks or runs"


@dataclass(frozen=True)
class DecayOptions:
    """What is measured, of which networks and runs."""

    family: Annotated[
        str | None,
        text_option(
            "--family",
            text="back from the last step, ∂h_T/∂h_{T−lag}; forward from the first, ∂h_lag/∂h_0; or both. [back]",
            metavar="NAME",
            section=_MEASURED,
        ),
        Values("commands.decay_options", "FAMILIES"),
    ] = None
    through: Annotated[
        str | None,
        text_option(
            "--through",
            text="Which states: h, c, or state for all in one matrix; several: h,state. [h,c]",
            metavar="STATE",
            section=_MEASURED,
        ),
        Values("commands.decay_options", "STATES", several=True),
    ] = None
    direction: Annotated[
        str | None,
        text_option(
            "--direction",
            text="Of a layer that has both: forward or backward. [forward]",
            metavar="NAME",
            section=_MEASURED,
        ),
        Values("commands.decay_options", "DIRECTIONS"),
    ] = None
    across: Annotated[
        bool,
        typer.Option(
            "--across",
            help="Of a stack, also from the top layer down to the bottom one, over all paths.",
            rich_help_panel=_MEASURED,
        ),
    ] = False
    pairs: Annotated[
        bool,
        typer.Option(
            "--pairs", help="The norm between all pairs of steps too, ∂h_t/∂h_k, as a map.", rich_help_panel=_MEASURED
        ),
    ] = False
    singular_values: Annotated[
        int | None,
        size_option("--singular-values", text="The N largest singular values at each lag too.", section=_MEASURED),
    ] = None
    jacobian: Annotated[
        list[int] | None,
        typer.Option(
            "--jacobian",
            "-j",
            help="Print the whole ∂h_T/∂h_{T−LAG}; repeatable.",
            metavar="LAG",
            rich_help_panel=_MEASURED,
        ),
    ] = None
    lyapunov: Annotated[
        str | None,
        text_option(
            "--lyapunov",
            text="The N largest Lyapunov exponents too: rates along the run; or all.",
            metavar="N",
            section=_MEASURED,
        ),
        Values(also=("all",)),
    ] = None
    burn_in: Annotated[
        int | None,
        size_option("--burn-in", text="Steps that --lyapunov leaves out at the start. [a quarter]", section=_MEASURED),
    ] = None
    threshold: Annotated[
        float,
        typer.Option(
            "--threshold",
            help="Report the first lag whose norm is below it.",
            metavar="X",
            rich_help_panel=_MEASURED,
        ),
    ] = THRESHOLD
    tolerance: Annotated[
        float,
        typer.Option(
            "--tolerance",
            help="What each norm is certified to, relative: 1e-12 to 1e-3.",
            metavar="X",
            rich_help_panel=_MEASURED,
        ),
    ] = TOLERANCE
    spectral_radius: Annotated[
        list[str] | None,
        typer.Option(
            "--spectral-radius",
            "-r",
            help="Scale W_hh, of every gate, to it first; several: 0.5,1,1.5.",
            metavar="R,R,…",
            rich_help_panel=_SIDE_BY_SIDE,
        ),
    ] = None
    spectral_norm: Annotated[
        list[str] | None,
        typer.Option(
            "--spectral-norm",
            help="The same for the largest singular value.",
            metavar="S,S,…",
            rich_help_panel=_SIDE_BY_SIDE,
        ),
    ] = None
    ensemble: Annotated[
        int | None,
        size_option(
            "--ensemble", text="Medians and quartiles over N runs, each of a seed of its own.", section=_SIDE_BY_SIDE
        ),
    ] = None
    vary: Annotated[
        str | None,
        text_option(
            "--vary",
            text="What --ensemble draws anew: weights, sequences or all. [all]",
            metavar="NAME",
            section=_SIDE_BY_SIDE,
        ),
        Values("commands.decay_options", "VARIED"),
    ] = None
    remedies: Annotated[
        bool | None,
        typer.Option(
            "--remedies/--no-remedies",
            help="What would help, measured: orthogonal matrices, gate biases, other cells. [where it is quick]",
            show_default=False,
        ),
    ] = None
    from_loss: Annotated[
        bool,
        typer.Option(
            "--from-loss",
            help="Measure ∂L/∂h_t of a loss instead of Jacobians: one vector a step, at any size.",
            rich_help_panel=LOSS_SECTION,
        ),
    ] = False

    @property
    def changes_what_a_file_expects(self) -> bool:
        """Whether the first norms are not ‖∂h_T/∂h_{T−lag}‖₂ of the weights as they are."""
        scaled = self.spectral_radius or self.spectral_norm
        return bool(scaled) or self.families[0] != "back" or self.states[:1] not in {(), ("h",)}

    @property
    def varied(self) -> str:
        """What the runs of an ensemble differ in.

        Raises: UsageError for a name that is none.
        """
        name = self.vary or VARIED[-1]
        if name not in VARIED:
            raise UsageError(
                f"--vary is {listed(VARIED)}, what each run of --ensemble draws anew; it is {quoted(name)}."
                f"{did_you_mean(name, VARIED)}"
            )
        return name

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
        if self.through is None:
            return ()
        names = tuple(dict.fromkeys(part.strip() for part in self.through.split(",")))
        for name in names:
            if name not in STATES:
                raise UsageError(
                    f"There is no state {quoted(name)}; --through is h, c, or state for all of them in one matrix."
                    f"{did_you_mean(name, STATES)}"
                )
        return names


def said(options: DecayOptions | LossOptions) -> dict[str, object]:
    """The options that are not at their defaults, by name; several values of one scaling as one."""
    found: dict[str, object] = {}
    for field in fields(options):
        value = getattr(options, field.name)
        if value not in (field.default, []):
            found[field.name] = ",".join(value) if field.name.startswith("spectral") else value
            if value is False:
                found[f"no_{field.name}"] = not found.pop(field.name)
    return found


def check_options(options: DecayOptions, loss: LossOptions, *, check: bool) -> None:
    """Nothing, when every number is one that can be, and all that is asked for makes sense together.

    Raises: UsageError.
    """
    _check_numbers(options)
    _check_names(options, loss)
    given = said(options)
    for name, (why, others) in _APART.items():
        for other in others if name in given else ():
            if other in given:
                raise UsageError(
                    f"{why}: {flag(other)} has nothing to act on. Leave {flag(other)} or {flag(name)} out."
                )
        if name in given and check:
            raise UsageError(f"{why}: --check has nothing to compare. Leave --check or {flag(name)} out.")
    for other in said(loss) if not options.from_loss else ():
        raise UsageError(f"{flag(other)} is for --from-loss, which starts from a loss; add --from-loss.")
    for other, name in (("burn_in", "lyapunov"), ("vary", "ensemble")):
        if other in given and name not in given:
            raise UsageError(f"{flag(other)} is about {flag(name)}; add {flag(name)} N.")
    if options.pairs and "state" in options.states:
        raise UsageError("--pairs is of one state, h or c, between all steps; take --through h, c or h,c.")


def _check_names(options: DecayOptions, loss: LossOptions) -> None:
    """Nothing, when each name is one that there is: before what it is for, which it may have been typed wrong for."""
    assert options.families
    assert options.varied
    for name, choices in (("loss", LOSSES), ("reduction", REDUCTIONS)):
        value = getattr(loss, name)
        if value is not None:
            choose(value, choices, name)


def _check_numbers(options: DecayOptions) -> None:
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
    if options.ensemble is not None and not 2 <= options.ensemble <= _MOST_RUNS:
        raise UsageError(f"--ensemble takes 2 to {_MOST_RUNS:,} runs; it is {options.ensemble}.")
