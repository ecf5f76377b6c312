"""What a command comes to: a result, where it goes, and the error that follows it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from rnn_calc.commands.setup import Setup
    from rnn_calc.core.errors import RnnCalcError
    from rnn_calc.show.output import Destination, View


class Answer(NamedTuple):
    """A result, where it goes, and what is raised once it is there: a check that was asked for and did not hold.

    `setup` is the one network that it is about, `steps` how many are run: what options, file and defaults come to.
    """

    view: View
    destination: Destination
    failure: RnnCalcError | None = None
    setup: Setup | None = None
    steps: int | None = None


def deliver(answer: Answer) -> None:
    """Write the result where it goes.

    Raises: OutputError when it cannot be written; then whatever the answer fails with.
    """
    from rnn_calc.show.output import emit

    emit(answer.view, answer.destination)
    if answer.failure:
        raise answer.failure
