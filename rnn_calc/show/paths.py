"""The contribution of one weight at one occurrence, path by path: blocks of a page, and JSON."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import isfinite, log10

from rnn_calc.core.equations import Vector
from rnn_calc.core.notation import Notation
from rnn_calc.core.path_search import Product
from rnn_calc.core.paths import PathReport, Unit, UnitPath
from rnn_calc.core.stages import Layer
from rnn_calc.core.weights import Array
from rnn_calc.show.bptt_report import PathShown
from rnn_calc.show.document import Block, Column, Table, Text, Value
from rnn_calc.show.format import number, power_of_ten, short

# As many digits as the tutorials' examples are worked with.
_DIGITS = 6
# Below the one a number has digits behind its first zeros, and below the other (a logarithm) an exponent.
_SMALL, _LEAST = 0.01, -4
_MOST_ROWS = 12
# Factors are written out where the matrices are small and few.
_WIDEST, _MOST_FACTORS = 4, 6
_LONGEST = 6


def path_blocks(shown: PathShown, notation: Notation) -> list[Block]:
    """By step, with the numbers put in, then from unit to unit."""
    report = shown.report
    blocks: list[Block] = [_occurrence_table(shown, notation)]
    if report.count and len(report.units) <= _WIDEST and len(report.jacobians) <= _MOST_FACTORS:
        blocks.append(Text(tuple(_factor_lines(shown, notation)), "math", f"{_this(shown)}, step by step"))
    if report.count:
        blocks.append(_unit_table(shown, notation))
    elif not report.contribution.mantissa:
        blocks.append(Text((f"The weight at step {report.step} has no path to {shown.target}.",), "muted"))
    return blocks


def _this(shown: PathShown) -> str:
    return f"The occurrence of {shown.weight} at t = {shown.report.step}"


def write_product(product: Product) -> str:
    """A product of factors to the tutorials' digits, also far beyond float64."""
    if not product.mantissa:
        return "0"
    if _LEAST < product.log10 < _DIGITS:
        # Small numbers too have as many digits that say something.
        return number(product.value, _DIGITS) if abs(product.value) > _SMALL else f"{product.value:.{_DIGITS}g}"
    return f"{'-' if product.mantissa < 0 else ''}{power_of_ten(product.log10, _DIGITS - 1)}"


def _factor(value: float) -> str:
    """A factor to as many digits, without trailing zeros."""
    return short(value, _DIGITS) if abs(value) > _SMALL else f"{value:.{_DIGITS}g}"


def _occurrence_table(shown: PathShown, notation: Notation) -> Table:
    """What each occurrence of the weight contributes, and the sum."""
    report = shown.report
    columns = (Column("at t", "index"), Column("contribution", "number"), Column("way"))
    every = list(report.occurrences)
    chosen = [at for at, (step, _) in enumerate(every) if step == report.step]
    kept = range(len(every))
    if len(every) > _MOST_ROWS:
        half = _MOST_ROWS // 2
        kept = sorted({*range(half), *range(len(every) - half, len(every)), *chosen})  # type: ignore[assignment]
    rows: list[tuple[Value, ...]] = []
    before = -1
    for at in kept:
        if at > before + 1:
            hidden = [product for _, product in every[before + 1 : at]]
            first, last = every[before + 1][0], every[at - 1][0]
            rows.append((f"{min(first, last)} to {max(first, last)}", write_product(_sum(hidden)), "together"))
        step, product = every[at]
        rows.append((step, write_product(product), _way(shown, notation, step)))
        before = at
    total = ("Σ", write_product(report.total), f"∂{shown.target}/∂{shown.weight}")
    title = f"∂{shown.target}/∂{shown.weight}, occurrence by occurrence (indices in brackets from 0, steps from 1)"
    return Table(title, columns, tuple(rows), total)


def _sum(products: Sequence[Product]) -> Product:
    total = Product()
    for product in products:
        total = total.plus(product)
    return total


def _way(shown: PathShown, notation: Notation, step: int) -> str:
    """Through which states a contribution goes."""
    report = shown.report
    mark = "  ← this one" if step == report.step else ""
    target = report.target
    if target.kind == "loss":
        return f"through {_state(report, notation, step)}, to this and every later loss{mark}"
    if step == target.step:
        past = report.direct and step == report.step and not report.count
        return (f"direct: {shown.target} alone" if past else f"direct: through {_state(report, notation, step)}") + mark
    steps = list(range(step, target.step + 1)) if step < target.step else list(range(step, target.step - 1, -1))
    if len(steps) <= _LONGEST - 2:
        states = " → ".join(_state(report, notation, t) for t in steps)
    else:
        ends = [_state(report, notation, t) for t in (steps[0], steps[1], steps[-1])]
        states = f"{ends[0]} → {ends[1]} → ({_more(len(steps) - 3)}) → {ends[2]}"
    return f"{states} → {shown.target}{mark}"


def _more(count: int) -> str:
    return f"{count:,} more"


def _state(report: PathReport, notation: Notation, step: int) -> str:
    """All states of a step: h_2, or s_2 where there are several."""
    kinds = dict.fromkeys((unit.layer, unit.state) for unit in report.units)
    if len(kinds) > 1:
        return f"s_{step}"
    return _symbol(report.units[0], report, notation, step)


def _symbol(unit: Unit, report: PathReport, notation: Notation, step: int) -> str:
    layer = _layer(unit, report, notation)
    return notation.vector(Vector(unit.state, "", symbol=layer.symbol(unit.state)), step)


def _layer(unit: Unit, report: PathReport, notation: Notation) -> Layer:
    directions = notation.network.stack[unit.layer]
    return directions[-1] if report.reverse else directions[0]


def _factor_lines(shown: PathShown, notation: Notation) -> Iterator[str]:
    """The factors with their numbers, and the product."""
    report = shown.report
    kinds = dict.fromkeys((unit.layer, unit.state) for unit in report.units)
    if len(kinds) > 1:
        first = {kind: next(unit for unit in report.units if unit[:2] == kind) for kind in kinds}
        yield f"s_t = ({', '.join(_base(unit, report, notation) for unit in first.values())})"
    names = [_state(report, notation, step) for step in report.steps]
    yield f"∂{names[0]}/∂{shown.weight} = {_numbers(report.start)}"
    for before, after, jacobian in zip(names, names[1:], report.jacobians, strict=False):
        yield f"∂{after}/∂{before} = {_matrix(jacobian)}"
    if report.target.kind == "loss":
        for step, name, end in zip(report.steps, names, report.ends, strict=True):
            yield f"∂L_{step}/∂{name} = {_numbers(end)}"
        yield f"summed over all losses: {write_product(report.through)}"
    else:
        yield f"∂{shown.target}/∂{names[-1]} = {_numbers(report.ends[-1])}"
        factors = [_numbers(report.ends[-1]), *map(_matrix, report.jacobians[::-1]), _numbers(report.start)]
        yield f"{' · '.join(factors)} = {write_product(report.through)}"


def _base(unit: Unit, report: PathReport, notation: Notation) -> str:
    layer = _layer(unit, report, notation)
    return notation.vector(Vector(unit.state, "", symbol=layer.symbol(unit.state)))


def _numbers(values: Array) -> str:
    return f"[{', '.join(_factor(float(value)) for value in values)}]"


def _matrix(values: Array) -> str:
    return f"[{', '.join(map(_numbers, values))}]"


def _unit_table(shown: PathShown, notation: Notation) -> Table:
    report = shown.report
    columns = (Column("path"), Column("factors"), Column("product", "number"))
    rows: list[tuple[Value, ...]] = []
    for path in report.paths:
        other = _otherwise(path, shown, notation)
        route, factors = (other, "") if other else (_route(path, shown, notation), _factors(path))
        rows.append((route, factors, write_product(path.product)))
    others = report.count - len(report.paths)
    if others:
        which = (
            "the other path" if others == 1 else f"the other {write_count(others, len(report.units))} paths together"
        )
        rows.append((which, "", write_product(report.rest)))
    many = write_count(report.count, len(report.units))
    title = f"{_this(shown)}, from unit to unit: {many} {'path' if report.count == 1 else 'paths'}"
    if others:
        title += f", the {len(report.paths)} largest first"
    return Table(title, columns, tuple(rows), ("Σ", "", write_product(report.through)))


def write_count(count: int, base: int) -> str:
    """A number of paths, exact: in digits, or where it has too many as a power, or a power less what is listed."""
    if count < 10**12:
        return f"{count:,}"
    for less in range(_MOST_ROWS):
        power = round(log10(count) / log10(base)) if base > 1 else 0
        if base > 1 and count + less == base**power:
            return f"{base}^{power}{f' − {less}' if less else ''}"
    return f"about {power_of_ten(log10(count), 2)}"


def _route(path: UnitPath, shown: PathShown, notation: Notation) -> str:
    """The units of a path."""
    report = shown.report
    labels = [f"{_symbol(unit, report, notation, step)}[{unit.number}]" for unit, step in _stations(path, report)]
    end = f"L_{_stations(path, report)[-1][1]}" if report.target.kind == "loss" else shown.target
    return " → ".join([*_shortened(labels), end])


def _otherwise(path: UnitPath, shown: PathShown, notation: Notation) -> str:
    """Where a long path leaves the largest one; empty for that one itself, and for short ones."""
    report = shown.report
    largest = report.paths[0]
    if path is largest or len(path.units) != len(largest.units) or len(path.units) < _LONGEST:
        return ""
    pairs = zip(_stations(path, report), largest.units, strict=True)
    apart = [f"{_symbol(unit, report, notation, step)}[{unit.number}]" for (unit, step), own in pairs if unit != own]
    if len(apart) <= _LONGEST:
        return f"the largest, but through {', '.join(apart)}"
    return f"the largest, but through {len(apart)} other units from {apart[0]} to {apart[-1]}"


def _stations(path: UnitPath, report: PathReport) -> list[tuple[Unit, int]]:
    return list(zip(path.units, report.steps, strict=False))


def _factors(path: UnitPath) -> str:
    return " · ".join(_shortened([_factor(factor) for factor in path.factors]))


def _shortened(parts: list[str]) -> list[str]:
    if len(parts) <= _LONGEST:
        return parts
    return [*parts[:3], f"({_more(len(parts) - 5)})", *parts[-2:]]


def path_json(shown: PathShown) -> dict[str, object]:
    """The paths for programs: indices from 0, steps from 1."""
    report = shown.report

    def value(product: Product) -> dict[str, object]:
        held = product.value
        exact = held if isfinite(held) and (held or not product.mantissa) else None
        log = product.log10 if product.mantissa else None
        return {"value": exact, "log10": log, "sign": (product.mantissa > 0) - (product.mantissa < 0)}

    def unit(one: Unit, step: int) -> dict[str, object]:
        return {"t": step, "layer": one.layer + 1, "state": one.state, "unit": one.number}

    return {
        "weight": shown.weight,
        "t": report.step,
        "target": shown.target,
        "occurrences": [{"t": step, **value(product)} for step, product in report.occurrences],
        "total": value(report.total),
        "contribution": value(report.contribution),
        "direct": report.direct,
        "count": report.count if report.count < 2**53 else None,
        "count_written": write_count(report.count, len(report.units)),
        "log10_count": log10(report.count) if report.count else None,
        "paths": [
            {
                "units": [unit(one, step) for one, step in _stations(path, report)],
                "factors": list(path.factors),
                **value(path.product),
            }
            for path in report.paths
        ],
        "rest": value(report.rest),
    }
