"""Facts about the quiz."""
