"""Checkpoints of every format: the names, shapes and types of their tensors from the headers, values on demand."""
