"""Backpropagation through time → document, and with its data the view."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np

from rnn_calc.core.backward import Scaled
from rnn_calc.core.gradients import LayerGradients
from rnn_calc.core.lag_shares import lag_work
from rnn_calc.core.notation import write_shape
from rnn_calc.core.weights import Array
from rnn_calc.show.bptt_data import bptt_arrays, bptt_csv, bptt_json
from rnn_calc.show.bptt_lags import clip_blocks, lag_blocks, truncation_blocks
from rnn_calc.show.bptt_pictures import bptt_pictures, delta_chart
from rnn_calc.show.bptt_report import Bptt, loss_formula
from rnn_calc.show.bptt_words import meaning_of
from rnn_calc.show.charts import chart_figure, sparkline
from rnn_calc.show.document import Block, Column, Document, Magnitude, Table, Text, Value
from rnn_calc.show.format import plural, power_of_ten, short
from rnn_calc.show.gradient_check import check_blocks
from rnn_calc.show.output import View
from rnn_calc.show.paths import path_blocks
from rnn_calc.show.selection import ALL_BY_OPTION, ALL_IN_REPORT, Selection, head_and_tail

# Multiply-adds of all lags that take longer than a screen should wait.
_SKETCHED = 5e7
_MOST_STEPS = 12
# Vectors up to that width are shown whole, wider ones by their norms.
_WIDEST = 4
# Of several beside one another, so many numbers fit on a page.
_MOST_ACROSS = 6
# The norms of the steps are shown beside their shares for so many arrays.
_MOST_NORMS = 8
# Gradients with so few entries are shown entry by entry.
_MOST_ENTRIES = 6


def bptt_view(shown: Bptt) -> View:
    """A backpropagation in every format."""
    return View(
        "bptt",
        partial(_document, shown),
        partial(bptt_json, shown),
        partial(bptt_csv, shown),
        partial(bptt_arrays, shown),
        partial(bptt_pictures, shown),
        partial(_sketch, shown) if shown.find_lags and lag_work(shown.gradients.trace) > _SKETCHED else None,
    )


def _sketch(shown: Bptt) -> Document:
    """The page before the lags are found, which takes most of its time."""
    return _document(replace(shown, find_lags=None, lags_left_out="The share of each lag follows …"))


def _document(shown: Bptt) -> Document:
    steps = head_and_tail(shown.steps, _MOST_STEPS)
    blocks: list[Block] = [shown.heading, Text(shown.notes, "muted")]
    loss = shown.gradients.loss
    blocks.append(Text((*loss_formula(shown), f"L = {short(loss, 6)}"), title="The loss"))
    if shown.path:
        blocks += path_blocks(shown.path, shown.notation)
    if steps.left_out:
        blocks.append(
            Text(
                (
                    f"{plural(steps.left_out, 'step')} of {steps.total:,} left out between the first and the last; "
                    f"{ALL_BY_OPTION if shown.has_options else ALL_IN_REPORT}",
                ),
                "warning",
            )
        )
    blocks.append(_loss_table(shown, steps))
    blocks += [_backward_table(shown, own, steps) for own in shown.shown_layers]
    if shown.steps > 2:
        blocks.append(chart_figure(delta_chart(shown)))
    blocks.append(_gradient_table(shown))
    blocks += _share_blocks(shown, steps)
    blocks += lag_blocks(shown)
    blocks += truncation_blocks(shown)
    blocks += clip_blocks(shown)
    if shown.check:
        blocks += check_blocks(shown.check, shown.notation, shown.unchecked)
    blocks.append(Text(tuple(f"· {sentence}" for sentence in meaning_of(shown)), title="What it means"))
    return Document(tuple(blocks))


def _vector(values: Array) -> Value:
    """A vector whole where it is short, else its norm."""
    if len(values) <= _WIDEST:
        return tuple(float(value) for value in values)
    return Magnitude(float(Scaled(values[None], np.zeros(1, dtype=np.int64)).log10_norms[0]))


def _named(width: int, symbol: str) -> Column:
    """A column of vectors, or of their norms."""
    whole = width <= _WIDEST
    in_words = symbol.startswith(("by ", "from "))
    heading = symbol if whole else f"‖{symbol}‖"
    return Column(heading, "vector" if whole else "number", "text" if in_words else "math")


def _loss_table(shown: Bptt, steps: Selection) -> Table:
    """What each step loses, and how its output moves that."""
    found, run = shown.gradients, shown.gradients.trace
    y, outputs = ("h", run.h) if run.y is None else ("y", run.y)
    width, loss = outputs.shape[1], found.loss_function
    columns = [Column("t", "index"), *([Column("word")] if shown.labels else [])]
    columns.append(_named(width, f"{y}_t"))
    if loss.takes_targets:
        columns.append(Column("class_t", "index") if loss.kind == "cross-entropy" else _named(width, "target_t"))
    columns += [Column("L_t", "number", "math"), _named(width, f"∂L_t/∂{y}_t")]
    there = loss.has_loss(shown.steps)
    rows = []
    for t in steps.shown:
        row: list[Value] = [t + 1, *([shown.labels[t]] if shown.labels else []), _vector(outputs[t])]
        if loss.takes_targets:
            row.append(_target(shown, t) if there[t] else None)
        row += [float(found.losses[t]), _vector(found.outputs_gradient[t])]
        rows.append(tuple(row))
    total: list[Value] = ["Σ", *([""] if shown.labels else []), "", *([""] if loss.takes_targets else [])]
    return Table(
        "Each step's loss, and its derivative by the output", tuple(columns), tuple(rows), (*total, found.loss, "")
    )


def _target(shown: Bptt, t: int) -> Value:
    targets = shown.gradients.loss_function.targets
    own = targets[t] if len(targets) == shown.steps else targets[0]
    return int(own) if shown.gradients.loss_function.kind == "cross-entropy" else _vector(own)


def _backward_table(shown: Bptt, own: LayerGradients, steps: Selection) -> Table:
    """The derivative by the states of a layer, in the order in which it is made: from the last step read."""
    layer, network = own.run.layer, shown.notation.network
    top = layer.index == network.layers - 1
    h = layer.symbol()
    after = "t-1" if layer.reverse else "t+1"
    states = {name: layer.symbol(name) for name in layer.state}
    here = f"∂L_t/∂{h}_t" if top else f"by layer {layer.index + 2}"
    back = f"from step {after}" if len(states) > 1 else f"(∂{h}_{{{after}}}/∂{h}_t)ᵀ δ_{{{after}}}"
    through = _difference(own.states["h"], own.local)
    turn = slice(None, None, -1) if layer.reverse else slice(None)
    arrays = {here: own.local[turn], back: through[turn]}
    arrays |= {f"∂L/∂{symbol}_t": own.states[name][turn] for name, symbol in states.items()}
    widest = max(scaled.rows.shape[1] for scaled in arrays.values())
    if widest * len(arrays) > _MOST_ACROSS >= widest * (len(arrays) - 1):
        del arrays[back]  # which is the difference of its neighbours
    whole = widest * len(arrays) <= _MOST_ACROSS
    columns = [Column("t", "index")]
    columns += [_named(1 if whole else _WIDEST + 1, name) for name in arrays]
    if len(states) == 1:
        columns[-1] = columns[-1]._replace(heading=f"δ_t = {columns[-1].heading}")
    order = steps.shown if layer.reverse else steps.shown[::-1]
    rows = tuple((t + 1, *(_scaled_vector(array, t, whole=whole) for array in arrays.values())) for t in order)
    several = network.layers > 1 or network.bidirectional
    where = f"{layer.part[0].upper()}{layer.part[1:]}: the" if several else "The"
    last = "from the last step to the first" if not layer.reverse else "from the first step to the last, as it read"
    return Table(f"{where} derivative by the state, {last}", tuple(columns), rows)


def _difference(whole: Scaled, part: Scaled) -> Scaled:
    exponents = np.maximum(whole.exponents, part.exponents)
    rows = [np.ldexp(one.rows, np.clip(one.exponents - exponents, -5000, 0)[:, None]) for one in (whole, part)]
    return Scaled(rows[0] - rows[1], exponents)


def _scaled_vector(array: Scaled, t: int, *, whole: bool) -> Value:
    own = array[slice(t, t + 1)]
    if whole:
        plain = own.plain[0]
        # A vector that float64 can hold no longer is shown by its norm.
        if plain.any() or not own.rows.any():
            return tuple(float(value) for value in plain)
        return f"norm {power_of_ten(float(own.log10_norms[0]))}"
    return Magnitude(float(own.log10_norms[0]))


# Bars of a line that shows how much each step adds.
_SPARKS = 16


def _gradient_table(shown: Bptt) -> Table:
    few = all(own.array.size <= _MOST_ENTRIES for own in shown.stored)
    columns = [Column("parameter", "math"), Column("shape", "shape"), Column("norm", "number")]
    if few:
        columns.append(Column("gradient", "vector"))
    else:
        columns.append(Column("largest entry"))
    columns.append(Column(f"t = 1 … {shown.steps}"))
    rows: list[tuple[Value, ...]] = []
    for own in shown.stored:
        shape = write_shape(own.array.shape, column_matrices=shown.notation.convention.column_matrices)
        norm = Magnitude(own.log10_norm)
        last: Value = tuple(map(float, own.array.ravel())) if few else _largest(own.symbol, own.array)
        added = sparkline(own.step_log10_norms.tolist(), _SPARKS)
        rows.append((f"∂L/∂{own.symbol}", shape, norm, last, added))
    total = ("all together", "", Magnitude(shown.together[0]), "", "")
    return Table("The gradient: all steps added up (bars: log₁₀ of what each adds)", tuple(columns), tuple(rows), total)


def entry_name(symbol: str, index: tuple[int, ...]) -> str:
    """An entry of an array as --path takes it: W_xh[0,0], counted from 0."""
    return f"{symbol}[{','.join(map(str, index))}]"


def _largest(symbol: str, array: Array) -> str:
    if not array.any():
        return "0"
    index = np.unravel_index(int(np.abs(array).argmax()), array.shape)
    return f"{short(float(array[index]))} at {entry_name(symbol, tuple(map(int, index)))}"


def _share_blocks(shown: Bptt, steps: Selection) -> list[Block]:
    """What each step adds: entry by entry where there are few, and as a share of every array."""
    blocks: list[Block] = []
    if sum(own.array.size for own in shown.stored) <= 2 * _MOST_ENTRIES and shown.steps <= _MOST_STEPS:
        blocks.append(_entries_table(shown))
    symbols = [own.symbol for own in shown.stored]
    columns = (Column("t", "index"), *(Column(symbol, "number", "math") for symbol in [*symbols, "all"]))
    shares = [*(own.step_shares for own in shown.stored), shown.together[1]]
    norms = [*(own.step_log10_norms for own in shown.stored), shown.together[2]]
    title = "The share of each time step in the gradient, (G_t · G)/‖G‖²"
    rows: list[tuple[Value, ...]] = []
    for t in steps.shown:
        if steps.gap_before(t):
            hidden = slice(_before(steps, t) + 1, t)
            label = f"{hidden.start + 1} to {hidden.stop}"
            rows.append((label, *(_share(float(own[hidden].sum())) for own in shares)))
        rows.append((t + 1, *(_share(float(own[t])) for own in shares)))
    total = ("Σ", *(_share(float(own.sum())) for own in shares))
    blocks.append(Table(title, columns, tuple(rows), total))
    if len(symbols) > _MOST_NORMS:
        return blocks
    whole = [own.log10_norm for own in shown.stored] + [shown.together[0]]
    norm_rows: tuple[tuple[Value, ...], ...] = tuple(
        (t + 1, *(Magnitude(float(own[t])) for own in norms)) for t in steps.shown
    )
    norm_title = "The norm of what each time step adds, and of the sum"
    blocks.append(Table(norm_title, columns, norm_rows, ("‖Σ‖", *(Magnitude(own) for own in whole))))
    return blocks


def _before(steps: Selection, t: int) -> int:
    return steps.shown[steps.shown.index(t) - 1]


def _share(value: float) -> Value:
    return None if np.isnan(value) else value


def _entries_table(shown: Bptt) -> Table:
    """What each step adds to every entry: the numbers that are added up."""
    from rnn_calc.core.storage import write_arrays

    found, notation = shown.gradients, shown.notation
    each = []
    for t in range(1, shown.steps + 1):
        canonical = {name: found.step_gradient(name, t) for name in found.gradients}
        each.append(write_arrays(notation.network, notation.convention, canonical))
    columns = [Column("t", "index")]
    cells: list[list[Value]] = [[t + 1] for t in range(shown.steps)]
    total: list[Value] = ["Σ"]
    for own in shown.stored:
        for index in np.ndindex(*own.array.shape):
            columns.append(Column(entry_name(own.symbol, index), "number", "math"))
            for row, arrays in zip(cells, each, strict=True):
                row.append(float(arrays[own.symbol][index]))
            total.append(float(own.array[index]))
    title = "What each time step adds to each entry, counted from 0, and the sum: the gradient"
    return Table(title, tuple(columns), tuple(tuple(row) for row in cells), tuple(total))
