"""The line that says which network a report is about."""

from __future__ import annotations

from rnn_calc.core.network import Network


def describe_network(network: Network, convention_name: str) -> str:
    """One line that says which network a report is about."""
    readout = f"d_out = {network.d_out}" if network.d_out else "no readout"
    return (
        f"{network.cell.name} ({network.activation}) · d_in = {network.d_in}, d_h = {network.d_h}, {readout} "
        f"· convention {convention_name}"
    )
