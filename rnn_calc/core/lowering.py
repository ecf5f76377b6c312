"""A laid-out program as the NumPy calls of one step, in the order in which they run."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from rnn_calc.core.functions import ELEMENTWISE
from rnn_calc.core.layout import Bundle, Layout, Place, join
from rnn_calc.core.program import ARITHMETIC, Assignment, Program, Ref
from rnn_calc.core.weights import Array

Operand: TypeAlias = "Place | Array"


class Call(NamedTuple):
    """One call of a function; the last operand is where its result goes."""

    function: Callable[..., Any]
    operands: tuple[Operand, ...]


class StackProduct(NamedTuple):
    """The product of a stack of matrices, by its number in the layout, with a vector."""

    stack: int
    operand: Place
    out: Place


class Lowering:
    """The calls of one step: a value is made when it is first asked for, together with those that share its call."""

    def __init__(self, program: Program, layout: Layout) -> None:
        self._program = program
        self._layout = layout
        self._made = set(program.given)
        self.calls: list[Call | StackProduct] = []
        for equation in program.equations:
            self._make(equation.name)

    def _make(self, name: str) -> None:
        if name in self._made:
            return
        self._made.add(name)
        assignment = self._program.assignments[name]
        match assignment.operation:
            case "product":
                self._make_stack(name)
            case "sum":
                self._make_sum(assignment)
            case "times":
                self._multiply(assignment.operands, self._layout.place(name))
            case "over":
                self._emit(np.divide, *map(self._read, assignment.operands), self._layout.place(name))
            case "copy":
                self._emit(np.copyto, self._layout.place(name), self._read(assignment.operands[0]))
            case _:
                self._make_function(assignment)

    def _emit(self, function: Callable[..., Any], *operands: Operand) -> None:
        self.calls.append(Call(function, operands))

    def _read(self, ref: Ref) -> Place:
        """Where a value is found, after the calls that put it there."""
        if not ref.previous:
            self._make(ref.name)
        return self._layout.place(ref)

    def _make_stack(self, product: str) -> None:
        number, stack = next((k, stack) for k, stack in enumerate(self._layout.stacks) if product in stack.members)
        self._made |= set(stack.members)
        whole = join([self._layout.place(name) for name in stack.members])
        assert whole is not None, "a stack lies side by side"
        self.calls.append(StackProduct(number, self._read(stack.operand), whole))
        if stack.driven:
            driven = [self._layout.value(name) for name in stack.members[: stack.driven]]
            onto = join([self._layout.place(value) for value in driven])
            drive = join([self._layout.place(self._layout.drive(value)) for value in driven])
            assert onto is not None, "the driven part of a stack lies side by side"
            assert drive is not None, "given parts lie in the order of the stack"
            self._emit(np.add, onto, drive, onto)

    def _make_sum(self, total: Assignment) -> None:
        out = self._layout.place(total.name)
        refs = list(total.operands)
        add: Callable[..., Any] = np.add
        bundle = self._layout.bundles.get(total.name)
        if bundle:
            self._make_bundle(bundle)
        if total.name in self._layout.hosted:
            # The product is there, and its given part has been added together with those of its neighbours.
            host = self._layout.hosted[total.name]
            self._make(host)
            refs = [ref for ref in refs if ref.name not in (host, self._layout.drive(total.name))]
            add = np.subtract if total.name in self._layout.negated else np.add
        else:
            first, *refs = refs
            if not refs:
                self._emit(np.copyto, out, self._read(first))
            else:
                second, *refs = refs
                self._emit(np.add, self._read(first), self._read(second), out)
        for ref in refs:
            self._emit(add, out, self._read(ref), out)

    def _make_bundle(self, bundle: Bundle) -> None:
        """All the products of a sum in one call, if their factors are neighbours."""
        left, right = (join([self._read(ref) for ref in side]) for side in (bundle.left, bundle.right))
        alike = len({ref.name in self._layout.divided for ref in bundle.left}) == 1
        nothing_else = not any(ref.name in self._layout.divided for ref in bundle.right)
        if left and right and alike and nothing_else:
            out = join([self._layout.place(name) for name in bundle.products])
            assert out is not None, "the products of a bundle lie side by side"
            self._made |= set(bundle.products)
            self._multiply_places(left, right, out, divided=bundle.left[0].name in self._layout.divided)

    def _multiply(self, operands: tuple[Ref, ...], out: Place) -> None:
        left, right = operands
        if right.name in self._layout.divided:
            left, right = right, left
        self._multiply_places(self._read(left), self._read(right), out, divided=left.name in self._layout.divided)

    def _multiply_places(self, left: Place, right: Place, out: Place, *, divided: bool) -> None:
        if divided:
            self._emit(np.divide, right, left, out)
        else:
            self._emit(np.multiply, left, right, out)

    def _make_function(self, assignment: Assignment) -> None:
        pack = self._layout.packs.get(assignment.name, (assignment.name,))
        arguments = [self._program.assignments[name].operands[0] for name in pack]
        source, out = join([self._read(ref) for ref in arguments]), join([self._layout.place(name) for name in pack])
        self._made |= set(pack)
        if source and out:
            self._apply(assignment, source, out)
        else:
            for name, ref in zip(pack, arguments, strict=True):
                self._apply(assignment, self._read(ref), self._layout.place(name))

    def _apply(self, assignment: Assignment, source: Place, out: Place) -> None:
        assert assignment.operation not in ARITHMETIC
        calls = ELEMENTWISE[assignment.operation].calls
        if assignment.operands[0].name in self._layout.negated:
            calls = calls[1:]
        if assignment.name in self._layout.divided:
            calls = calls[:-1]
        for function, constants in calls:
            self._emit(function, *constants, source, out)
            source = out
