"""A module for each topic; its `make` draws a question."""
