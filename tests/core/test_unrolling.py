from __future__ import annotations

from rnn_calc.core.cells import CELLS
from rnn_calc.core.network import Network
from rnn_calc.core.shapes import shapes


def test_a_forward_chain_goes_from_0_to_t_and_a_backward_one_from_1_to_t_plus_1() -> None:
    forward, backward = shapes(Network(4, 3, bidirectional=True), unroll=3).chains
    assert forward.states == ("h^(→)_0", "h^(→)_1", "h^(→)_2", "h^(→)_3")
    assert backward.states == ("h^(←)_1", "h^(←)_2", "h^(←)_3", "h^(←)_4")
    assert [chain.after(3) for chain in (forward, backward)] == ["h^(→)_3", "h^(←)_3"]


def test_every_layer_has_a_chain_from_the_bottom_up() -> None:
    report = shapes(Network(4, 3, 2, cell=CELLS["lstm"], layers=2), unroll=2)
    assert [chain.layer for chain in report.chains] == [1, 2]
    assert report.unrolled[1].states == ("h^(1)_2, c^(1)_2", "h^(2)_2, c^(2)_2")
    assert report.unrolled[1].state == "h^(2)_2"
    assert report.chains[0].shapes == ((3,), (3,))


def test_a_projected_state_has_its_own_shape() -> None:
    (chain,) = shapes(Network(4, 3, cell=CELLS["lstm"], d_p=2), unroll=1).chains
    assert chain.shapes == ((2,), (3,))


def test_the_decoder_follows_the_encoder_as_one_chain() -> None:
    steps = shapes(Network(4, 3, 2, layers=2), mode="seq2seq", unroll=2, decoder_steps=3).unrolled
    assert [(step.t, step.decoder, step.states) for step in steps[2:]] == [
        (1, True, ("s_1",)),
        (2, True, ("s_2",)),
        (3, True, ("s_3",)),
    ]
    assert [step.x for step in steps] == ["x_1", "x_2", None, "y_1", "y_2"]


def test_an_embedding_takes_tokens_in() -> None:
    assert [step.x for step in shapes(Network(4, 3, vocab=9), unroll=2).unrolled] == ["token_1", "token_2"]


def test_nothing_is_unrolled_unless_asked_for() -> None:
    report = shapes(Network(4, 3))
    assert not report.chains
    assert not report.unrolled
