"""rnn_calc: the calculator for recurrent networks."""
