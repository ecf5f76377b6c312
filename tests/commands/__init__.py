"""Tests of rnn_calc.commands."""
