"""The numbers of a decay as data: what no float holds."""

from __future__ import annotations

import json
from dataclasses import replace
from math import inf

import numpy as np

from rnn_calc.core.decay import gradient_decay
from rnn_calc.core.notation import Notation
from rnn_calc.show.decay import decay_view
from rnn_calc.show.decay_series import DecayShown, NetworkDecay
from rnn_calc.show.heading import describe_network
from rnn_calc.show.html import render_html
from tests.core.drawing import plain_trace


def test_a_rate_beyond_float64_is_infinite_and_null_in_json() -> None:
    steep = replace(gradient_decay(plain_trace(np.eye(2), 9)), log10_norms=np.linspace(400, 3200, 8))
    assert steep.rate_per_step == inf
    assert "inf a step" in repr(steep)
    notation = Notation(steep.trace.network)
    heading = describe_network(notation.network, notation.convention)
    view = decay_view((NetworkDecay("norm", (steep,)),), DecayShown(heading, (), notation))
    assert json.loads("".join(view.json()))["rate_per_step"] is None
    assert "fitted rate per step" in render_html(view.document())
