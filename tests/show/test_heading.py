from __future__ import annotations

import pytest

from rnn_calc.core.cells import CELLS
from rnn_calc.core.conventions import CONVENTIONS
from rnn_calc.core.network import Network
from rnn_calc.show.heading import describe_network

LSTM = CELLS["lstm"]


@pytest.mark.parametrize(
    ("network", "convention", "title"),
    [
        (Network(4, 3, 2), "xh", "rnn (tanh) · d_in = 4, d_h = 3, d_out = 2"),
        (Network(4, 3), "wx", "rnn (tanh) · d = 4, n = 3, no readout"),
        (Network(4, 3, cell=CELLS["mingru"]), "xh", "mingru · d_in = 4, d_h = 3, no readout"),
        (
            Network(4, 3, 2, LSTM, d_p=2, layers=2, bidirectional=True, merge="sum"),
            "pytorch",
            "lstm (tanh) · input_size = 4, hidden_size = 3, proj_size = 2, out_features = 2, 2 layers, both directions "
            "(sum)",
        ),
        (Network(4, (400, 1150, 400)), "xh", "rnn (tanh) · d_in = 4, d_h = (400, 1150, 400), 3 layers, no readout"),
        (
            Network(3, 3, 9, vocab=9, tied=True, readout_bias=False),
            "xh",
            "rnn (tanh) · d_in = 3, d_h = 3, V = 9, readout tied to the embedding, readout without bias",
        ),
    ],
)
def test_a_network_is_described_in_one_line(network: Network, convention: str, title: str) -> None:
    assert describe_network(network, CONVENTIONS[convention]).title == title


def test_remarks_follow_whose_convention_it_is() -> None:
    said = describe_network(Network(4, 3), CONVENTIONS["row"], ("dropout 0.5: changes nothing",))
    assert said.lines == (f"convention row: {CONVENTIONS['row'].whose}", "dropout 0.5: changes nothing")
