"""The lines that say which network a report is about, and in whose words."""

from __future__ import annotations

from rnn_calc.core.conventions import Convention
from rnn_calc.core.network import Network
from rnn_calc.show.document import Text


def describe_network(network: Network, convention: Convention) -> Text:
    """Cell, activation and sizes in the convention's own names, and whose convention it is."""
    names = ("d_in", "d_h", "d_out") if network.d_out else ("d_in", "d_h")
    sizes = ", ".join(f"{convention.size(name)} = {network.sizes[name]}" for name in names)
    readout = "" if network.d_out else ", no readout"
    return Text(
        (f"convention {convention.name}: {convention.whose}",),
        "muted",
        title=f"{network.cell.name} ({network.activation}) · {sizes}{readout}",
    )
