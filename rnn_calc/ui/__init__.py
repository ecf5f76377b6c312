"""The live calculator: a form on one side, what the commands answer on the other; in a terminal or in a browser."""
