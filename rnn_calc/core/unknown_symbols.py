"""A symbol that a network has not: what has it instead, so that a message can say what would have worked."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

from rnn_calc.core.cells import CELLS
from rnn_calc.core.conventions import CONVENTIONS, Convention
from rnn_calc.core.equations import Parameter
from rnn_calc.core.errors import DataError, did_you_mean, quoted
from rnn_calc.core.network import Network
from rnn_calc.core.notation import Notation
from rnn_calc.core.shapes import ShapeReport

# So many symbols are listed.
_LISTED = 24


def explain_unknown(report: ShapeReport, symbol: str) -> str:
    """A message that says where `symbol` is found: in another layer, convention or cell; else the nearest."""
    notation = report.notation
    if not report.sequence and symbol in notation.convention.sequences.values():
        return f"{quoted(symbol)} is of whole sequences, which need --steps or --batch, as in --steps 20 --batch 32."
    for found in (_other_layer(report, symbol), _other_structure(notation, symbol)):
        if found:
            return found
    for other in notations(notation):
        if said := _translated(notation, other, symbol):
            return said
    if said := _other_cell(notation, symbol) or _other_sequence(report, symbol):
        return said
    symbols = [row.symbol for row in report.rows]
    hint = "" if report.sequence else " Tensors of whole sequences need --steps or --batch."
    shown = ", ".join(symbols[:_LISTED])
    more = f" and {len(symbols) - _LISTED:,} more" if len(symbols) > _LISTED else ""
    return f"There is no tensor {quoted(symbol)} here; there are {shown}{more}.{hint}{did_you_mean(symbol, symbols)}"


def notations(own: Notation) -> Iterator[Notation]:
    """The network in every other convention that can write it, with as many biases as are usual there."""
    for convention in CONVENTIONS.values():
        if convention is not own.convention:
            try:
                biases = convention.biases(own.network.cell) if own.network.biases else 0
                yield Notation(replace(own.network, biases=biases), convention)
            except DataError:
                continue


def _pattern(symbol: str) -> str:
    """A symbol without its numbers."""
    return re.sub(r"\d+", "#", symbol)


def _symbols(notation: Notation) -> dict[str, tuple[Parameter, ...]]:
    """Every symbol of a stored array or of a part of one, with the parameters that it stands for."""
    found = {stored.symbol: stored.parameters for stored in notation.stored}
    return found | {notation.symbol(p): (p,) for stored in notation.stored for p in stored.parameters}


def _other_layer(report: ShapeReport, symbol: str) -> str:
    """The same name with the number of another layer."""
    network, pattern = report.network, _pattern(symbol)
    rows = [row for part in report.parts if part.layer for row in (*part.vectors, *part.parameters)]
    rows += [row for row in report.sequence if row.layer]
    own = [row.symbol for row in rows] + [symbol for symbol in _symbols(report.notation) if symbol.endswith("]")]
    alike = list(dict.fromkeys(name for name in own if "#" in pattern and _pattern(name) == pattern))
    if not alike:
        return ""
    layers = "1 layer" if network.layers == 1 else f"{network.layers} layers"
    named = " and ".join(alike) if len(alike) < 3 else f"{alike[0]} to {alike[-1]}"
    return f"There is no tensor {quoted(symbol)} here: the network has {layers}, {named}."


def _variants(network: Network) -> Iterator[tuple[str, Network]]:
    """Networks that differ in one part or two, and what this one has in its place; names do not depend on sizes."""
    plain = Network(
        2,
        4,
        min(network.d_out, 1),
        network.cell,
        network.activation,
        network.biases,
        layers=min(network.layers, 2),
        bidirectional=network.bidirectional,
        d_p=3 if network.d_p else 0,
        vocab=min(network.vocab, 1),
        readout_bias=network.readout_bias,
    )
    layers = {"layers": 1 if network.layers > 1 else 2}
    both = {"bidirectional": not network.bidirectional}
    deep = f"has {network.layers} layers" if network.layers > 1 else "has 1 layer; --layers 2 makes it two"
    wide = "has two directions" if network.bidirectional else "has one direction; --bidirectional makes it two"
    yield deep, replace(plain, **layers)  # type: ignore[arg-type]
    yield wide, replace(plain, **both)  # type: ignore[arg-type]
    yield f"{deep.partition(';')[0]} and {wide.removeprefix('has ')}", replace(plain, **layers, **both)  # type: ignore[arg-type]
    if not network.d_p and "c" in network.cell.state:
        yield "has no projection; --proj adds one", replace(plain, d_p=3)
    if not network.vocab:
        yield "has no embedding; --vocab adds one", replace(plain, vocab=1)
    if not network.d_out:
        yield "has no readout; --d-out adds one", replace(plain, d_out=1)
    if not network.readout_bias:
        yield "has a readout without bias", replace(plain, readout_bias=True)
    if not network.biases:
        yield "has no biases", replace(plain, biases=1)


def _other_structure(notation: Notation, symbol: str) -> str:
    """The same convention's name in a network of other parts."""
    own = list(_symbols(notation))
    for instead, network in _variants(notation.network):
        try:
            names = _symbols(Notation(network, notation.convention))
        except DataError:
            continue
        if _pattern(symbol) in map(_pattern, names):
            longer = [name for name in own if name.startswith(symbol)]
            nearest = "" if "adds one" in instead else did_you_mean(symbol, own)
            hint = f" It has {' and '.join(longer[:2])}." if longer else nearest
            return f"There is no tensor {quoted(symbol)} here: the network {instead}.{hint}"
    return ""


def _translated(own: Notation, other: Notation, symbol: str) -> str:
    """What the symbol of another convention is called in this one."""
    parameters = _symbols(other).get(symbol)
    if not parameters:
        return ""
    name = other.convention.name
    by_name = {p.name: p for p in own.network.parameters}
    known = [by_name[p.name] for p in parameters if p.name in by_name]
    if not known:
        return (
            f"{quoted(symbol)} is what the convention {name} has and {own.convention.name} has not; "
            f"add --convention {name}."
        )
    home = own.home(known[0])
    whole = set(home.parameters) == set(known)
    here = [home.symbol] if whole else [own.symbol(parameter) for parameter in known]
    called = here[0] if len(here) == 1 else f"{', '.join(here[:-1])} and {here[-1]} together"
    ask = here[0] if len(here) == 1 else "one of them"
    return f"{quoted(symbol)} is what the convention {name} calls {called}; ask for {ask}, or add --convention {name}."


def _other_cell(notation: Notation, symbol: str) -> str:
    """A parameter of other cells."""
    network, convention = notation.network, notation.convention
    # Without a projection a tied readout would not fit.
    plain = replace(network, d_p=0, tied=False)
    has = [cell.name for cell in CELLS.values() if symbol in _symbols_of(replace(plain, cell=cell), convention)]
    if not has:
        return ""
    belongs = f"to {' and '.join(has)}" if len(has) < 3 else f"to {', '.join(has)}"
    return f"There is no tensor {quoted(symbol)} here: it belongs {belongs}, and --cell is {network.cell.name}."


def _symbols_of(network: Network, convention: Convention) -> dict[str, tuple[Parameter, ...]]:
    try:
        return _symbols(Notation(replace(network, biases=convention.biases(network.cell)), convention))
    except DataError:
        return {}


def _other_sequence(report: ShapeReport, symbol: str) -> str:
    """A tensor of whole sequences that another convention calls so."""
    own = report.convention.sequences
    for other in CONVENTIONS.values():
        for key in ("x", "h", "h_0", "h_T", "y", "c_0", "c_T"):
            if other.sequences[key] == symbol and own[key] != symbol:
                needs = "" if report.sequence else " (with --steps or --batch)"
                return (
                    f"{quoted(symbol)} is what the convention {other.name} calls {own[key]}{needs}; "
                    f"ask for {own[key]}, or add --convention {other.name}."
                )
    return ""
