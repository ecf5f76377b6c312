"""What a tab has to say to whoever uses it."""

from __future__ import annotations

from textual.message import Message


class Said(Message):
    """Something for the line of messages: a hint, or what is wrong."""

    def __init__(self, text: str, *, error: bool = False) -> None:
        super().__init__()
        self.text, self.error = text, error
