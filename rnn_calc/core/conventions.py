"""Whose symbols, orientation, gate order, size names and bias rule: an entry for each way to write a network."""

from __future__ import annotations

from typing import NamedTuple

from rnn_calc.core.cells import CELLS, Cell
from rnn_calc.core.equations import Parameter
from rnn_calc.core.errors import DataError, did_you_mean, listed, quoted
from rnn_calc.core.frameworks import EQUINOX, FLAX, KERAS, ONNX, PYTORCH, CellLayout

# The tensors of a whole sequence: input, every state, first and last state, output; first and last cell state.
_TENSORS = ("x", "h", "h_0", "h_T", "y", "c_0", "c_T")


class Convention(NamedTuple):
    """How a textbook or a framework writes a recurrent network.

    `symbols` maps a parameter's role to its name, with `{gate}` where the gate's letter goes (`{g}`, `{_g}`: nothing
    for the one gate of a plain network). `cells`: the cells it has, by name, and how it stores them; empty for a
    textbook, which writes any cell, one array for each parameter. `single`, `stacked` and `directed` make the whole
    name in a network of one layer, of several, and of two directions. `row_vectors`: vectors are rows, a matrix is
    stored (columns, rows) and stands on the right, `x W`. `column_matrices`: a vector is written as an n × 1 matrix.
    `joins_directions`: both directions lie in one array, on a leading axis. `sequences` names the tensors of a whole
    sequence, and under `layer`, `joined` (two directions) and `direction` says how a layer's are named in a larger
    network, under `states` in which order a pair holds an LSTM's two, under `lengths` what tells padding from steps;
    `stacked_state`: the last states of all layers and directions lie in one tensor.
    """

    name: str
    whose: str
    symbols: dict[str, str]
    cells: dict[str, CellLayout]
    single: str = "{symbol}{mark}"
    stacked: str = "{symbol}{mark}"
    directed: str = "{symbol}{mark}"
    sizes: dict[str, str] = {}  # noqa: RUF012 - never written to
    sequences: dict[str, str] = {**dict(zip(_TENSORS, _TENSORS, strict=True)), "lengths": "mask"}  # noqa: RUF012
    row_vectors: bool = False
    column_matrices: bool = False
    joins_directions: bool = False
    batch_first: bool = True
    stacked_state: bool = False

    def __repr__(self) -> str:
        return f"<Convention {self.name}: {self.whose}>"

    @property
    def is_framework(self) -> bool:
        """Whether it has only the cells that its library ships."""
        return bool(self.cells)

    def layout(self, cell: Cell) -> CellLayout | None:
        """How the cell is stored; None for a textbook, where each parameter is an array of its own.

        Raises: DataError for a cell that a framework does not have, naming those it has.
        """
        if not self.cells:
            return None
        if cell.name not in self.cells:
            raise DataError(
                f"{self.name} has no {cell.name}: it ships {listed(self.cells).replace(' or ', ' and ')}. "
                f"A textbook's convention writes every cell: --convention xh."
            )
        return self.cells[cell.name]

    def biases(self, cell: Cell) -> int:
        """How many biases a gate of this cell has here, 1 or 2."""
        layout = self.layout(cell)
        return layout.biases if layout else 1

    def spell(self, parameter: Parameter) -> str:
        """The name of a parameter that is an array of its own, without the place of its layer."""
        gate = parameter.gate
        plain = "" if gate == "h" else gate
        return self.symbols[parameter.role].format(gate=gate, g=plain, _g=f"_{plain}" if plain else "")

    def size(self, name: str) -> str:
        """The name of a size as this convention prints it; d_h^(2) keeps the mark of its layer."""
        base, caret, mark = name.partition("^")
        return self.sizes.get(base, base) + caret + mark


_ROLES = (
    *("input", "recurrent", "bias", "recurrent_bias", "readout", "readout_bias"),
    *("peephole", "diagonal", "projection", "embedding"),
)


def _symbols(names: str) -> dict[str, str]:
    """The names of a textbook, in the order of `_ROLES`."""
    return dict(zip(_ROLES, names.split(), strict=True))


def _around(readout: str, bias: str, embedding: str) -> dict[str, str]:
    """A framework's names for what stands around the recurrent layers; the layers' own are in its layouts."""
    return {"readout": readout, "readout_bias": bias, "embedding": embedding}


def _sequences(names: str, templates: str = "", lengths: str = "mask", states: str = "") -> dict[str, str]:
    """The names of whole-sequence tensors, in the order of `_TENSORS`, and how a layer's are made of them."""
    named = dict(zip(_TENSORS, names.split(), strict=True)) | {"lengths": lengths, "states": states}
    return named | dict(zip(("layer", "joined", "direction"), templates.split(), strict=False))


CONVENTIONS = {
    convention.name: convention
    for convention in (
        Convention(
            "xh",
            "most textbooks: column vectors, W_xh x + W_hh h + b_h",
            _symbols("W_x{gate} W_h{gate} b_{gate} b_h{gate} W_hy b_y p_{gate} u W_hr E"),
            {},
        ),
        Convention(
            "hx",
            "named to-from: W_hx takes x to h; the readout is W_ho, b_v",
            _symbols("W_{gate}x W_{gate}h b_{gate} b_{gate}h W_ho b_v p_{gate} u W_rh E"),
            {},
        ),
        Convention(
            "wx",
            "sizes d, n, k; W_x, W_h, b; vectors are n × 1 matrices",
            _symbols("W_x{g} W_h{g} b{_g} b_h{g} W_y b_y p{_g} u W_r E"),
            {},
            sizes={"d_in": "d", "d_h": "n", "d_out": "k", "d_p": "r"},
            column_matrices=True,
        ),
        Convention(
            "row",
            "sizes E, H; vectors are rows: x W_xh with W_xh stored (E, H)",
            _symbols("W_x{gate} W_h{gate} b_{gate} b_h{gate} W_hy b_y p_{gate} u W_hr E"),
            {},
            sizes={"d_in": "E", "d_h": "H"},
            row_vectors=True,
        ),
        Convention(
            "pytorch",
            "torch.nn and Linear: gates stacked, two biases; time first by default",
            _around("linear.weight", "linear.bias", "embedding.weight"),
            PYTORCH,
            "{symbol}_l{k}{reverse}",
            "{symbol}_l{k}{reverse}",
            "{symbol}_l{k}{reverse}",
            sizes={
                **{"d_in": "input_size", "d_h": "hidden_size", "d_p": "proj_size"},
                **{"d_out": "out_features", "V": "num_embeddings"},
            },
            sequences=_sequences("input output h_0 h_n linear(output) c_0 c_n", lengths="batch_sizes"),
            batch_first=False,
            stacked_state=True,
        ),
        Convention(
            "keras",
            "keras.layers and Dense: row vectors, kernel stored (input_dim, units), gates stacked",
            _around("dense.kernel", "dense.bias", "embedding.embeddings"),
            KERAS,
            "{symbol}",
            "{layer}{nth}.{symbol}",
            "bidirectional{nth}.{direction}_{layer}.{symbol}",
            sizes={"d_in": "input_dim", "d_h": "units", "d_out": "dense.units", "V": "vocabulary"},
            sequences=_sequences(
                "inputs outputs initial_state state dense(outputs) initial_carry carry",
                "{layer}{nth}.{name} bidirectional{nth}.{name} bidirectional{nth}.{direction}_{layer}.{name}",
            ),
            row_vectors=True,
        ),
        Convention(
            "onnx",
            "the ONNX operators: both directions in one array, both biases in B; time first",
            _around("gemm.B", "gemm.C", "gather.data"),
            ONNX,
            "{symbol}",
            "{layer}_{k}.{symbol}",
            sizes={"d_in": "input_size", "d_h": "hidden_size"},
            sequences=_sequences(
                "X Y initial_h Y_h gemm(Y) initial_c Y_c", "{layer}_{k}.{name} {layer}_{k}.{name}", "sequence_lens"
            ),
            joins_directions=True,
            batch_first=False,
            stacked_state=True,
        ),
        Convention(
            "flax",
            "flax.linen cells and Dense: row vectors, an array for each gate",
            _around("Dense_0.kernel", "Dense_0.bias", "Embed_0.embedding"),
            FLAX,
            "{symbol}",
            "RNN_{k}.cell.{symbol}",
            "Bidirectional_{k}.{direction}_rnn.cell.{symbol}",
            sizes={"d_in": "in_features", "d_h": "features", "V": "num_embeddings"},
            sequences=_sequences(
                "inputs outputs initial_carry carry Dense(outputs) initial_carry carry",
                "RNN_{k}.{name}{item} Bidirectional_{k}.{name} Bidirectional_{k}.{name}[{side}]{item}",
                "seq_lengths",
                states="ch",
            ),
            row_vectors=True,
        ),
        Convention(
            "equinox",
            "equinox.nn cells and Linear: gates stacked, one bias, and bias_n in a GRU",
            _around("linear.weight", "linear.bias", "embedding.weight"),
            EQUINOX,
            "{symbol}",
            "cells[{k}].{symbol}",
            "{direction}[{k}].{symbol}",
            sizes={"d_in": "input_size", "d_h": "hidden_size", "d_out": "out_features", "V": "num_embeddings"},
            sequences=_sequences(
                "inputs outputs hidden_0 hidden_T linear(outputs) hidden_0 hidden_T",
                "cells[{k}].{name}{item} layers[{k}].{name} {direction}[{k}].{name}{item}",
                states="hc",
            ),
        ),
    )
}

# What a convention's error names as the cells there are.
assert all(name in CELLS for convention in CONVENTIONS.values() for name in convention.cells)


def as_convention(convention: Convention | str) -> Convention:
    """A convention, or the one of that name.

    Raises: DataError for a name that there is not (with the nearest one).
    """
    if isinstance(convention, Convention):
        return convention
    if convention not in CONVENTIONS:
        raise DataError(
            f"There is no convention {quoted(convention)}; it must be {listed(CONVENTIONS)}."
            f"{did_you_mean(convention, CONVENTIONS)}"
        )
    return CONVENTIONS[convention]
