"""rnncalc cost."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Annotated

import typer

from rnn_calc.commands.answer import Answer
from rnn_calc.commands.expected import expected_of
from rnn_calc.commands.options import NetworkOptions, OutputOptions, Values, takes_groups
from rnn_calc.commands.setup import choose, destination_of, load_whole
from rnn_calc.core.cost import COUNTABLE, count_cost
from rnn_calc.core.errors import UsageError, quoted
from rnn_calc.core.memory_cost import DTYPES, OPTIMIZERS, count_memory
from rnn_calc.core.run import make_run
from rnn_calc.core.sizes import whole_numbers


@takes_groups
def command(
    network: NetworkOptions,
    output: OutputOptions,
    *,
    steps: Annotated[
        int | None, typer.Option("--steps", "-T", help="Steps of each sequence. [20]", metavar="N")
    ] = None,
    batch: Annotated[int | None, typer.Option("--batch", "-B", help="Sequences run together. [1]", metavar="N")] = None,
    lengths: Annotated[
        str | None,
        typer.Option("--lengths", help="Packed sequences of these lengths; padding costs nothing.", metavar="N,N,…"),
    ] = None,
    count: Annotated[
        list[str] | None,
        typer.Option(
            "--count",
            help="What counts: products, biases, elementwise, activations or all. [products]",
            metavar="NAMES",
        ),
        Values("core.cost", "COUNTABLE", several=True, also=("all",)),
    ] = None,
    truncate: Annotated[
        int | None,
        typer.Option("--truncate", help="Truncated BPTT: gradients stop after pieces of N steps.", metavar="N"),
    ] = None,
    dtype: Annotated[
        list[str] | None,
        typer.Option("--dtype", help="float64, float32, float16, bfloat16 or int8. [a table of all]", metavar="NAMES"),
        Values("core.memory_cost", "DTYPES", several=True),
    ] = None,
    optimizer: Annotated[
        list[str] | None,
        typer.Option("--optimizer", help="Whose state is kept: sgd, momentum or adam. [all three]", metavar="NAMES"),
        Values("core.memory_cost", "OPTIMIZERS", several=True),
    ] = None,
) -> Answer:
    """Multiply-adds, FLOPs and memory of training.

    \b
    rnncalc cost --cell lstm --d-in 64 --d-h 128 --steps 100 --batch 32
    rnncalc cost --cell gru --lengths 7,3,1 --count all
    rnncalc cost --cell lstm --d-h 512 --steps 1000 --truncate 35 --dtype float32 --optimizer adam
    """
    destination = destination_of(output)
    counted = _named(count, {**COUNTABLE, "all": ()}, "operation to count") or ("products",)
    dtypes = _named(dtype, DTYPES, "dtype")
    optimizers = _named(optimizer, OPTIMIZERS, "optimizer")
    packed = _parse_lengths(lengths)
    setup = load_whole(network)
    expected_of("cost", setup, changed=False, check=output.check)
    model = setup.model
    run = make_run(
        steps if steps is not None or packed else model.steps,
        batch if batch is not None or packed else model.batch,
        packed,
        truncate,
        prefix="--",
        error=UsageError,
    )
    report = count_cost(setup.network, setup.convention, run, count=counted)
    kept = count_memory(setup.network, setup.convention, run)

    from rnn_calc.show.cost import cost_view
    from rnn_calc.show.heading import describe_network
    from rnn_calc.show.memory_cost import Memory

    memory = Memory(kept, dtypes or tuple(DTYPES), optimizers or tuple(OPTIMIZERS))
    heading = describe_network(setup.network, setup.convention, setup.remarks)
    return Answer(cost_view(report, memory, heading), destination, setup=setup, steps=run.steps)


def _named(given: Iterable[str] | None, choices: Mapping[str, object], what: str) -> tuple[str, ...]:
    """The names given, each a choice, with commas or one by one, in the order of the choices; empty where none is."""
    words = [word.strip() for text in given or () for word in text.split(",")]
    for word in words:
        choose(word, choices, what)
    return tuple(name for name in choices if name in words)


def _parse_lengths(text: str | None) -> tuple[int, ...]:
    """`--lengths` as whole numbers: 7,3,1; empty where it is not given."""
    if text is None:
        return ()
    lengths = whole_numbers(text)
    if lengths is None:
        raise UsageError(f"--lengths takes the steps of each sequence, as in --lengths 7,3,1; it is {quoted(text)}.")
    return lengths
