"""Tests of rnn_calc.show."""
