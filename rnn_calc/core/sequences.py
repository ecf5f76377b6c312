"""The tensors of whole sequences: what goes in, and everything that a framework gives back."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from rnn_calc.core.notation import Notation
from rnn_calc.core.packing import Packing, write_values
from rnn_calc.core.stages import Extent, Layer
from rnn_calc.core.tensors import Mode, Tensor

# An axis: what it is called and how long it is.
Axis = tuple[str, int]

_ONE_TO_MANY_INPUT = "the one input, at t = 1; later steps take a zero vector or the previous output"
# What a library must be asked for to give back every state, and the last ones.
_ASKED = {"keras": ("return_sequences=True", "return_state=True"), "flax": ("", "return_carry=True")}
_JOINED = {"concat": "joined", "sum": "added up", "average": "averaged", "product": "multiplied"}


class Span(NamedTuple):
    """How many steps and sequences there are (None: no such axis), which of the two comes first, and the mode."""

    steps: int | None
    batch: int | None
    batch_first: bool
    mode: Mode
    decoder_steps: int
    packing: Packing | None = None


def sequence_tensors(notation: Notation, span: Span) -> tuple[Tensor, ...]:
    """The tensors of whole sequences in the order in which they are computed, as the convention names them."""
    return tuple(_Sequences(notation, span).rows())


class _Sequences:
    """What is said of whole sequences of one network in one convention."""

    def __init__(self, notation: Notation, span: Span) -> None:
        self.notation, self.span = notation, span
        self.network, self.convention = notation.network, notation.convention
        self.names = self.convention.sequences
        # ONNX has no sequence without both axes.
        whole = self.convention.joins_directions
        self.time: tuple[Axis, ...] = (("T", span.steps or 1),) if span.steps or whole else ()
        self.batch: tuple[Axis, ...] = (("B", span.batch or 1),) if span.batch or whole else ()

    def rows(self) -> Iterator[Tensor]:
        yield from self._inputs()
        if self.convention.joins_directions:
            yield from self._nodes()
        elif self.convention.stacked_state:
            yield from self._stacked()
        else:
            for directions in self.network.stack:
                yield from self._layer(directions)
        yield from self._outputs()

    # Axes

    def over(self, *rest: Axis, time: tuple[Axis, ...] | None = None) -> tuple[Axis, ...]:
        """The axes of time and batch in their order, and `rest` behind them."""
        time = self.time if time is None else time
        return (*self.batch, *time, *rest) if self.span.batch_first else (*time, *self.batch, *rest)

    def width(self, extent: Extent) -> Axis:
        """An axis of a named size or a multiple of one."""
        return self.notation.extent(extent), extent.multiple * self.network.sizes[extent.name]

    def state(self, layer: Layer, name: str) -> Axis:
        """The width of a layer's state h or c."""
        return self.width(layer.extents[layer.state[name]])

    def output(self, index: int) -> Axis:
        """The width of what a layer gives, its directions joined."""
        if self.network.bidirectional:
            return self.width(self.network.merges[index].extents["d_o"])
        return self.state(self.network.stack[index][0], "h")

    def row(
        self, symbol: str, kind: str, axes: tuple[Axis, ...], role: str, layer: int | None = None, direction: str = ""
    ) -> Tensor:
        """A row of the report; the layer is said where there are several."""
        number = layer + 1 if layer is not None and self.network.layers > 1 else None
        shape, names = tuple(size for _, size in axes), tuple(name for name, _ in axes)
        return Tensor(symbol, kind, shape, names, role, layer=number, direction=direction or None)

    # What goes in

    def _inputs(self) -> Iterator[Tensor]:
        one = self.span.mode == "one-to-many"
        time: tuple[Axis, ...] | None = (("1", 1),) if one and self.time else None
        role = _ONE_TO_MANY_INPUT if one else "every input"
        if self.network.vocab:
            largest = f"{self.notation.size('V')} − 1"
            yield self.row("tokens", "input", self.over(time=time), f"every token: whole numbers from 0 to {largest}")
            role = f"{role}: the rows of the embedding that the tokens name" if not one else role
        packing = self.span.packing
        if packing:
            role = f"{role}, padded to the longest sequence"
        if not self.convention.joins_directions:
            axes = self.over(self.width(Extent(1, "d_in")), time=time)
            yield self.row(self.names["x"], "input", axes, role)
        if packing:
            yield from self._lengths(packing)

    def _lengths(self, packing: Packing) -> Iterator[Tensor]:
        """What tells the real steps from the padding."""
        share = f"{packing.total:,} of {packing.batch * packing.steps:,} steps are real"
        if self.names["lengths"] == "mask":
            order = self.over() if self.convention.name != "keras" else (*self.batch, *self.time)
            yield self.row("mask", "input", order, f"true at the steps that a sequence has; {share}")
            return
        if self.names["lengths"] != "batch_sizes":
            written = write_values(packing.lengths)
            yield self.row(
                self.names["lengths"], "input", self.batch, f"the lengths{written and f', {written}'}; {share}"
            )
            return
        data = (("sum(lengths)", packing.total), self.width(Extent(1, "d_in")))
        yield self.row(f"{self.names['x']}.data", "input", data, f"the PackedSequence: {share}, step after step")
        for name, axes, values, role in (
            ("batch_sizes", self.time, packing.batch_sizes, "how many sequences have a step t"),
            ("sorted_indices", self.batch, packing.sorted_indices, "the sequences from the longest to the shortest"),
            ("unsorted_indices", self.batch, packing.unsorted_indices, "where each sequence lies among the sorted"),
        ):
            written = write_values(values)
            yield self.row(name, "input", axes, f"{role}{written and f': {written}'}")

    # What comes back

    def _every(self, top: bool) -> str:
        """What the tensor of all hidden states holds."""
        text = "every hidden state, h_1 … h_T" if self.span.steps else "the hidden state of each sequence"
        if self.network.layers > 1 and top:
            text += ", of the top layer"
        text += self._asked(0)
        if self.network.bidirectional:
            text += f"; both directions {_JOINED[self.network.merge]}"
        # Keras repeats an output or gives zeros, Flax goes on: only these two are sure to have zeros.
        if self.span.packing and self.convention.stacked_state:
            text += "; zeros where a sequence has ended"
        return text

    def _last(self, name: str, *, reverse: bool = False) -> str:
        what = "cell state" if name == "c" else "hidden state"
        context = self.span.mode == "seq2seq" and name == "h"
        if reverse and context:
            return "the last encoder state of the backward direction, at t = 1: part of the context"
        if reverse:
            return f"the last {what} of the backward direction, at t = 1{self._asked(1)}"
        text = f"the last {what}{self._asked(1)}"
        if context:
            text = "the last encoder state: the context the decoder starts from"
        return f"{text}, at each sequence's own last step" if self.span.packing else text

    def _asked(self, which: int) -> str:
        asked = _ASKED.get(self.convention.name, ("", ""))[which]
        return f" ({asked})" if asked else ""

    def _first(self, name: str) -> str:
        return f"initial {'cell state' if name == 'c' else 'state'}, zeros unless given"

    def _states(self) -> tuple[str, ...]:
        return self.network.cell.state

    def _stacked(self) -> Iterator[Tensor]:
        """PyTorch: the states of all layers and directions lie in one tensor, layer by layer."""
        stack = self.network.stack
        if len(stack) == 1 or not (isinstance(self.network.d_h, tuple) or self.network.merge != "concat"):
            yield from self._module(stack, "", None)
            return
        # Layers of different widths, or with something between them, are modules of their own.
        for index, directions in enumerate(stack):
            yield from self._module((directions,), f"rnns[{index}].", index)

    def _module(self, layers: tuple[tuple[Layer, ...], ...], prefix: str, index: int | None) -> Iterator[Tensor]:
        """What one torch.nn module of these layers takes and gives back."""
        network, top = self.network, layers[-1][0]
        directions = str(network.directions)
        name = directions if len(layers) == 1 else "num_layers" if directions == "1" else f"{directions}·num_layers"
        leading = (name, network.directions * len(layers))
        order = "; layer after layer" if len(layers) > 1 else ""
        if network.bidirectional:
            order += f"{',' if order else ';'} forward before backward, which ends at t = 1"
        shapes = {state: (leading, *self.batch, self.state(top, state)) for state in self._states()}
        for state, axes in shapes.items():
            yield self.row(prefix + self.names[f"{state}_0"], "state", axes, self._first(state), index)
        extent = top.extents[top.state["h"]]
        # torch.nn only ever puts the directions side by side.
        width = self.width(Extent(extent.multiple * network.directions, extent.name))
        if packing := self.span.packing:
            data = (("sum(lengths)", packing.total), width)
            yield self.row(
                f"{prefix}{self.names['h']}.data", "state", data, "the PackedSequence that comes back", index
            )
        every, merged = self._every(top=len(layers) > 1), network.merge != "concat"
        if merged:
            every = every.replace(_JOINED[network.merge], "joined")
        yield self.row(prefix + self.names["h"], "state", self.over(width), every, index)
        if merged:
            role = f"both directions {_JOINED[network.merge]}, outside of torch.nn, which only joins them"
            name = f"{network.merge}({prefix}{self.names['h']})"
            yield self.row(name, "state", self.over(self.output(top.index)), role, index)
        for state, axes in shapes.items():
            yield self.row(prefix + self.names[f"{state}_T"], "state", axes, self._last(state) + order, index)

    def _nodes(self) -> Iterator[Tensor]:
        """ONNX: an operator for each layer, with an axis for the directions."""
        directions = (("num_directions", self.network.directions),)
        for index, (layer, *_) in enumerate(self.network.stack):
            width = self.output(index - 1) if index else self.width(Extent(1, "d_in"))
            role = f"{self._named('h', index - 1)} transposed and reshaped" if index else "every input"
            yield self.row(self._named("x", index), "input", self.over(width), role, index)
            first_axes = (*self.batch, *directions) if self.span.batch_first else (*directions, *self.batch)
            for state in self._states():
                axes = (*first_axes, self.state(layer, state))
                yield self.row(self._named(f"{state}_0", index), "state", axes, self._first(state), index)
            between = (*self.batch, *self.time, *directions)
            axes = between if self.span.batch_first else (*self.time, *directions, *self.batch)
            apart = "; the directions stay apart" if self.network.bidirectional else ""
            role = f"every hidden state, h_1 … h_T{apart}"
            yield self.row(self._named("h", index), "state", (*axes, self.state(layer, "h")), role, index)
            for state in self._states():
                axes = (*first_axes, self.state(layer, state))
                yield self.row(self._named(f"{state}_T", index), "state", axes, self._last(state), index)

    def _layer(self, directions: tuple[Layer, ...]) -> Iterator[Tensor]:
        """A layer whose states are tensors of their own: textbooks, Keras, Flax, Equinox."""
        index = directions[0].index
        both = self.network.bidirectional
        for key, role in (("0", self._first), ("T", self._last)):
            for layer in directions:
                side = ("backward" if layer.reverse else "forward") if both else ""
                for state in self._states():
                    said = self._last(state, reverse=True) if layer.reverse and key == "T" else role(state)
                    axes = self.over(self.state(layer, state), time=())
                    yield self.row(self._named(f"{state}_{key}", index, layer), "state", axes, said, index, side)
                if key == "0" and both and not self.convention.is_framework:
                    axes = self.over(self.state(layer, "h"))
                    yield self.row(self._named("h", index, layer), "state", axes, f"every {side} state", index, side)
            if key == "0":
                axes = self.over(self.output(index))
                yield self.row(self._named("h", index), "state", axes, self._every(top=False), index)

    def _outputs(self) -> Iterator[Tensor]:
        """The readout's tensors, and the decoder's."""
        mode = self.span.mode
        decoder: tuple[Axis, ...] = (("T_out", self.span.decoder_steps),) if self.time else ()
        top = self.width(self.network.output_extent)
        if mode == "seq2seq" and self.network.d_out:
            role = "every decoder state; the decoder is a second network"
            if self.network.bidirectional:
                role += ", of one direction, as wide as what the encoder gives"
            yield self.row("s", "state", self.over(top, time=decoder), role)
        if not self.network.d_out:
            return
        width = self.width(Extent(1, "V" if self.network.tied else "d_out"))
        last = "hidden states of both directions" if self.network.bidirectional else "hidden state"
        time, role = {
            "many-to-many": (self.time, "an output at every step"),
            "one-to-many": (self.time, "an output at every step"),
            "many-to-one": ((), f"one output, read from the last {last}"),
            "seq2seq": (decoder, "an output at every decoder step"),
        }[mode]
        yield self.row(self.names["y"], "output", self.over(width, time=time), role)

    # Names

    def _named(self, key: str, index: int, layer: Layer | None = None) -> str:
        """The name of a layer's tensor, of one direction where `layer` is given."""
        name, network = self.names[key], self.network
        if not self.convention.is_framework:
            base, _, step = name.partition("_")
            mark = layer.mark if layer else f"({index + 1})" if network.layers > 1 else ""
            if layer and layer.reverse:
                step = {"0": "{T+1}", "T": "1"}.get(step, step)
            return base + (f"^{mark}" if mark else "") + (f"_{step}" if step else "")
        states = self.names.get("states", "")
        item = f"[{states.index(key[0])}]" if "_" in key and states and len(network.cell.state) > 1 else ""
        if network.layers == 1 and (self.convention.joins_directions or not network.bidirectional):
            return name + item
        kind = "layer" if not network.bidirectional else "direction" if layer else "joined"
        reverse = layer is not None and layer.reverse
        layout = self.notation.layout
        called = layout.called if layout else ""
        return self.names[kind].format(
            name=name,
            item=item,
            k=index,
            nth=f"_{index}" if index else "",
            direction="backward" if reverse else "forward",
            side=int(reverse),
            layer={"SimpleRNN": "simple_rnn"}.get(called, called.lower()),
        )
