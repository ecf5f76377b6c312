"""`python -m rnn_calc` is `rnncalc`."""

from rnn_calc.cli import main

if __name__ == "__main__":
    main()
