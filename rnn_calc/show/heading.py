"""The lines that say which network a report is about, and in whose words."""

from __future__ import annotations

from rnn_calc.core.conventions import Convention
from rnn_calc.core.network import Network
from rnn_calc.show.document import Text


def describe_network(network: Network, convention: Convention, remarks: tuple[str, ...] = ()) -> Text:
    """Cell, activation, sizes and structure in the convention's own names, whose convention it is, and remarks."""
    cell = network.cell
    activation = f" ({network.activation})" if cell.has_activation else ""
    return Text(
        (f"convention {convention.name}: {convention.whose}", *remarks),
        "muted",
        title=f"{cell.name}{activation} · {', '.join([*_sizes(network, convention), *_structure(network)])}",
    )


def _sizes(network: Network, convention: Convention) -> list[str]:
    """The named sizes; d_h of each layer where they differ."""
    named = {"d_in": str(network.d_in), "d_h": ", ".join(map(str, dict.fromkeys(network.widths)))}
    if isinstance(network.d_h, tuple):
        named["d_h"] = f"({', '.join(map(str, network.widths))})"
    optional = {"d_p": network.d_p, "V": network.vocab, "d_out": 0 if network.tied else network.d_out}
    named |= {name: str(size) for name, size in optional.items() if size}
    return [f"{convention.size(name)} = {size}" for name, size in named.items()]


def _structure(network: Network) -> list[str]:
    """What else tells networks apart, in words; nothing for one plain layer with a readout."""
    words = [f"{network.layers} layers"] if network.layers > 1 else []
    if network.bidirectional:
        words.append(f"both directions ({network.merge})")
    if not network.d_out:
        words.append("no readout")
    elif network.tied:
        words.append("readout tied to the embedding")
    if network.d_out and not network.readout_bias:
        words.append("readout without bias")
    return words
