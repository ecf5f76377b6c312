"""Tests of rnn_calc.files."""
