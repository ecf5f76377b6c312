"""Facts about the mathematics."""
