"""A pickle read as data: an interpreter of the opcodes that state dicts use, which calls nothing the file names.

What would be a class or a function stays a `Global`, a name; what would be the result of calling one is made by
`construct` where this program knows how, and stays a `Foreign` otherwise, an inert record of what was handed over.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any, NamedTuple

from rnn_calc.core.errors import DataError, TooLargeError

# A state dict takes about 40 opcodes a tensor; a dictionary of words about 3 a word.
MOST_OPCODES = 4_000_000
_MOST_MARKS = 1000
_LONGEST_GLOBAL = 500
# From here on Python's hashes of whole numbers repeat, and a dictionary of such keys takes forever.
_REPEATED_HASH = 2**61 - 1
_HIGHEST_PROTOCOL = 5


class Global(NamedTuple):
    """A class or function that the pickle names."""

    module: str
    name: str

    def __str__(self) -> str:
        return f"{self.module}.{self.name}"


class Foreign:
    """What calling `source` would have given, with everything that the pickle hands to it.

    What is handed over is kept as it is: a copy of it for every call could be of any size.
    """

    __slots__ = ("parts", "source")

    def __init__(self, source: Global, *parts: object) -> None:
        self.source = source
        self.parts = list(parts)

    @property
    def name(self) -> str:
        """The class or function by its whole name."""
        return str(self.source)


# Makes the object that calling a global with arguments gives, or a Foreign.
Construct = Callable[[Global, tuple[object, ...]], object]
# Makes the object that a persistent id stands for.
Resolve = Callable[[object], object]


class _DamagedError(Exception):
    """The pickle breaks off, or an opcode does not find on the stack what it needs."""


class _Argument(NamedTuple):
    """How the bytes after an opcode are read: a number, or a number of bytes that follow."""

    form: struct.Struct
    counts: bool = False
    text: bool = False


def _number(form: str) -> _Argument:
    return _Argument(struct.Struct(f"<{form}"))


def _bytes(form: str, *, text: bool = False) -> _Argument:
    return _Argument(struct.Struct(f"<{form}"), counts=True, text=text)


_ARGUMENTS: dict[int, _Argument] = {
    **{
        ord("K"): _number("B"),
        ord("M"): _number("H"),
        ord("J"): _number("i"),
        ord("G"): _Argument(struct.Struct(">d")),
    },
    **{ord("q"): _number("B"), ord("r"): _number("I"), ord("h"): _number("B"), ord("j"): _number("I")},
    **{0x80: _number("B"), 0x95: _number("Q"), 0x8A: _bytes("B")},
    **{ord("X"): _bytes("I", text=True), 0x8C: _bytes("B", text=True), 0x8D: _bytes("Q", text=True)},
    **{ord("B"): _bytes("I"), ord("C"): _bytes("B"), ord("U"): _bytes("B"), 0x8E: _bytes("Q"), 0x96: _bytes("Q")},
}


class _Machine:
    """The stack, the memo and the marks of a pickle that is being read."""

    def __init__(self, content: bytes, construct: Construct, resolve: Resolve, what: str) -> None:
        self.content, self.position, self.what = content, 0, what
        self.construct, self.resolve = construct, resolve
        self.stack: list[object] = []
        self.marks: list[list[object]] = []
        self.memo: dict[int, object] = {}

    def take(self, count: int) -> bytes:
        start, self.position = self.position, self.position + count
        if self.position > len(self.content):
            raise _DamagedError
        return self.content[start : self.position]

    def line(self) -> str:
        end = self.content.find(b"\n", self.position)
        if end < 0:
            raise _DamagedError
        text = self.content[self.position : end].decode()
        self.position = end + 1
        return text

    def argument(self, how: _Argument) -> Any:
        (value,) = how.form.unpack_from(self.content, self.position)
        self.position += how.form.size
        if not how.counts:
            return value
        content = self.take(value)
        return content.decode("utf-8", "surrogatepass") if how.text else content

    def pop_mark(self) -> list[object]:
        items, self.stack = self.stack, self.marks.pop()
        return items

    def run(self) -> object:
        for _ in range(MOST_OPCODES):
            opcode = self.content[self.position]
            self.position += 1
            if opcode == ord("."):
                return self.stack.pop()
            operation = _OPERATIONS.get(opcode)
            if operation is None:
                raise DataError(f"{self.what} uses the pickle opcode 0x{opcode:02x}, which no state dict needs.")
            how = _ARGUMENTS.get(opcode)
            operation(self, None if how is None else self.argument(how))
        raise TooLargeError(f"{self.what} has more than {MOST_OPCODES:,} pickle opcodes.")


def read_pickle(content: bytes, construct: Construct, resolve: Resolve, what: str) -> object:
    """The object that a pickle describes, made of plain data, `Global`, `Foreign` and what the two functions give.

    Dictionaries keep their plain keys; a key of another kind becomes a `Foreign`. Sets are lists.

    Raises: DataError or TooLargeError that begin with `what`, for a pickle that is damaged, endless or needs more.
    """
    try:
        return _Machine(content, construct, resolve, what).run()
    except (_DamagedError, IndexError, KeyError, struct.error, UnicodeDecodeError):
        raise DataError(f"{what} is cut short or damaged.") from None


def _push(machine: _Machine, value: object) -> None:
    machine.stack.append(value)


def _drop(_: object) -> None:
    """Nothing: what was popped is not needed."""


def _mark(machine: _Machine, _: object) -> None:
    if len(machine.marks) >= _MOST_MARKS:
        raise DataError(f"{machine.what} is nested too deep to be read.")
    machine.marks.append(machine.stack)
    machine.stack = []


def _memoize(machine: _Machine, index: int | None) -> None:
    machine.memo[len(machine.memo) if index is None else index] = machine.stack[-1]


def _recall(machine: _Machine, index: int) -> None:
    machine.stack.append(machine.memo[index])


def _tuple(count: int) -> Callable[[_Machine, Any], None]:
    def operation(machine: _Machine, _: object) -> None:
        items = [machine.stack.pop() for _ in range(count)]
        machine.stack.append(tuple(reversed(items)))

    return operation


def _extend(items: list[object], target: object) -> None:
    if isinstance(target, Foreign):
        target.parts.extend(items)
    elif isinstance(target, list):
        target.extend(items)
    else:
        raise _DamagedError


def _set_items(items: list[object], target: object) -> None:
    if isinstance(target, Foreign):
        target.parts.extend(items)
    elif isinstance(target, dict) and len(items) % 2 == 0:
        target.update(zip(map(_key, items[::2]), items[1::2], strict=True))
    else:
        raise _DamagedError


def _key(key: object) -> object:
    """A key that is safe to hash: a tuple's hash may take forever where it holds itself many times over."""
    if isinstance(key, int) and abs(key) >= _REPEATED_HASH:
        return str(key)
    return key if key is None or isinstance(key, str | int | float | bytes) else Foreign(_KEY, key)


_KEY = Global("", "key")


def _set_item(machine: _Machine, _: object) -> None:
    value, key = machine.stack.pop(), machine.stack.pop()
    _set_items([key, value], machine.stack[-1])


def _new_dict(machine: _Machine, _: object) -> None:
    made: dict[object, object] = {}
    _set_items(machine.pop_mark(), made)
    machine.stack.append(made)


def _global(machine: _Machine, _: object) -> None:
    module = machine.line()
    _push_global(machine, module, machine.line())


def _stack_global(machine: _Machine, _: object) -> None:
    name, module = machine.stack.pop(), machine.stack.pop()
    if not isinstance(name, str) or not isinstance(module, str):
        raise _DamagedError
    _push_global(machine, module, name)


def _push_global(machine: _Machine, module: str, name: str) -> None:
    if len(module) + len(name) > _LONGEST_GLOBAL:
        raise DataError(f"{machine.what} names a class by {len(module) + len(name):,} characters.")
    machine.stack.append(Global(module, name))


def _call(machine: _Machine, arguments: int) -> None:
    given = [machine.stack.pop() for _ in range(arguments)][::-1]
    function = machine.stack.pop()
    if isinstance(function, Global) and arguments == 1 and isinstance(given[0], tuple):
        machine.stack.append(machine.construct(function, given[0]))
    elif isinstance(function, Global | Foreign):
        source = function if isinstance(function, Global) else function.source
        machine.stack.append(Foreign(source, function, *given))
    else:
        raise _DamagedError


def _build(machine: _Machine, _: object) -> None:
    state, target = machine.stack.pop(), machine.stack[-1]
    # Attributes of anything else (an OrderedDict's _metadata, a tensor's) say nothing of the values.
    if isinstance(target, Foreign):
        target.parts.append(state)


def _protocol(machine: _Machine, version: object) -> None:
    if version not in range(_HIGHEST_PROTOCOL + 1):
        raise DataError(f"{machine.what} has pickle protocol {version}; {_HIGHEST_PROTOCOL} is the highest there is.")


def _integer(machine: _Machine, content: object) -> None:
    assert isinstance(content, bytes)
    machine.stack.append(int.from_bytes(content, "little", signed=True))


_OPERATIONS: dict[int, Callable[[_Machine, Any], None]] = {
    **dict.fromkeys((*b"KMJGXBCU", 0x8C, 0x8D, 0x8E, 0x96), _push),
    **{ord("q"): _memoize, ord("r"): _memoize, 0x94: _memoize},
    **{ord("h"): _recall, ord("j"): _recall},
    **{0x80: _protocol, 0x95: lambda _machine, _: None, 0x8A: _integer, ord("("): _mark},
    ord("N"): lambda machine, _: _push(machine, None),
    0x88: lambda machine, _: _push(machine, True),
    0x89: lambda machine, _: _push(machine, False),
    ord("}"): lambda machine, _: _push(machine, {}),
    **{code: lambda machine, _: _push(machine, []) for code in (ord("]"), 0x8F)},
    **{ord(")"): _tuple(0), 0x85: _tuple(1), 0x86: _tuple(2), 0x87: _tuple(3)},
    ord("t"): lambda machine, _: _push(machine, tuple(machine.pop_mark())),
    **{code: lambda machine, _: _push(machine, machine.pop_mark()) for code in (ord("l"), 0x91)},
    ord("d"): _new_dict,
    ord("a"): lambda machine, _: _extend([machine.stack.pop()], machine.stack[-1]),
    **{code: lambda machine, _: _extend(machine.pop_mark(), machine.stack[-1]) for code in (ord("e"), 0x90)},
    ord("u"): lambda machine, _: _set_items(machine.pop_mark(), machine.stack[-1]),
    ord("s"): _set_item,
    **{ord("c"): _global, 0x93: _stack_global},
    **{ord("R"): lambda machine, _: _call(machine, 1), 0x81: lambda machine, _: _call(machine, 1)},
    0x92: lambda machine, _: _call(machine, 2),
    ord("b"): _build,
    ord("Q"): lambda machine, _: _push(machine, machine.resolve(machine.stack.pop())),
    ord("0"): lambda machine, _: _drop(machine.stack.pop()),
    ord("1"): lambda machine, _: _drop(machine.pop_mark()),
}
