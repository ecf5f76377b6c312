"""Where each value of a step lies in memory, so that one NumPy call does the work of several.

A call costs more than its arithmetic on a few hundred numbers, so what counts is how few of them a step takes:

- Matrices that multiply the same vector are stacked: one product gives the pre-activations of all gates side by side,
  and one addition gives them all their inputs and biases.
- The stack is ordered so that gates with the same function are neighbours: one call for all of them.
- A sum of products, c = f ⊙ c_prev + i ⊙ g, wishes to have [f, i] and [c_prev, g] as neighbours: then one call makes
  both products. A wish that another one contradicts is dropped, and its products are made one by one.
- σ(a) = 1/(1 + exp(−a)) is exact where it saturates, but takes four calls. Where the pre-activation comes from a
  stack, the stack is negated and so gives −a; where every use of a gate is to multiply by it, it stays 1 + exp(−a)
  and the use becomes a division. Both leave two calls, exp and add.

A bank is a table with a row for each step, or, for what nobody wants to see, a single row that is used again. The
state before a step and the state after it are neighbouring rows of one bank.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from rnn_calc.core.program import ARITHMETIC, Assignment, Program, Ref
from rnn_calc.core.sizes import Sizes


class Place(NamedTuple):
    """Columns of a bank, in the row of the step or in the row after it."""

    bank: int
    start: int
    stop: int
    after: bool = False


class Bank(NamedTuple):
    """How wide a bank is, and whether it keeps a row for each step."""

    width: int
    kept: bool


class Stack(NamedTuple):
    """Products of the same vector, by their names in the order of the stack; the first `driven` have a given part."""

    operand: Ref
    members: tuple[str, ...]
    driven: int


class Bundle(NamedTuple):
    """Products that one sum adds up, with their left and right factors."""

    products: tuple[str, ...]
    left: tuple[Ref, ...]
    right: tuple[Ref, ...]


def join(places: Sequence[Place]) -> Place | None:
    """All of the places as one, if they are neighbours in this order."""
    joined = places[0]
    for place in places[1:]:
        if place[0] != joined.bank or place.start != joined.stop or place.after != joined.after:
            return None
        joined = joined._replace(stop=place.stop)
    return joined


class Layout:
    """The places of all values of a program, and which operations belong together.

    `hosted` maps a sum to the product that it is added onto in place, `packs` a function's result to all results of
    the same call; `negated` values are stored with the opposite sign, `divided` gates as their reciprocals.
    """

    def __init__(self, program: Program, sizes: Sizes) -> None:
        self._program = program
        self._sizes = sizes
        self.hosted = self._hosts()
        self._value = {product: name for name, product in self.hosted.items()}
        self.negated = frozenset(filter(self._is_negated, self._stacked()))
        self.bundles = self._bundles()
        self.stacks = self._ordered_stacks()
        self.packs = self._packs()
        self.divided = frozenset(name for name, pack in self.packs.items() if all(map(self._only_multiplies, pack)))
        self.banks: list[Bank] = []
        self._places: dict[str, Place] = {}
        self._place_all()

    def place(self, ref: Ref | str) -> Place:
        """Where a value is found; a state of this step lies in the row after."""
        if isinstance(ref, str):
            ref = Ref(ref)
        place = self._places[self.hosted.get(ref.name, ref.name)]
        return place._replace(after=True) if ref.name in self._program.state and not ref.previous else place

    def value(self, product: str) -> str:
        """The sum that is added onto a product in place, or the product itself."""
        return self._value.get(product, product)

    def _made(self, operation: str) -> Iterable[Assignment]:
        return (found for found in self._program.assignments.values() if found.operation == operation)

    def _hosts(self) -> dict[str, str]:
        """A product on the way to a sum is the sum's first summand, unless the sum is a state, which has its place."""
        found = {}
        for total in self._made("sum"):
            products = [
                ref.name
                for ref in total.operands
                if not ref.previous and ref.name in self._program.assignments and self._is_passing(ref.name, "product")
            ]
            if products and total.name not in self._program.state:
                found[total.name] = products[0]
        return found

    def _is_passing(self, name: str, operation: str) -> bool:
        """Whether the value is such an operation's, has no name in the equations, and has one reader."""
        is_one = self._program.assignments[name].operation == operation
        return is_one and not self._program.is_named(name) and len(self._program.users[name]) == 1

    def _stacked(self) -> list[str]:
        """The values that come out of a stack; a product that is a state has its place already."""
        return [
            self.value(product.name) for product in self._made("product") if product.name not in self._program.state
        ]

    def _function(self, value: str) -> str:
        """The one function that is applied to a value, if that is all that is done with it."""
        users = self._program.users[value]
        return users[0].operation if len(users) == 1 and users[0].operation not in ARITHMETIC else ""

    def _is_negated(self, value: str) -> bool:
        return self._function(value) == "sigmoid"

    def drive(self, value: str) -> str:
        """The given part of a sum that is added onto a product."""
        operands = self._program.assignments[value].operands if value in self.hosted else ()
        return next((ref.name for ref in operands if ref.name in self._program.given), "")

    def _bundles(self) -> dict[str, Bundle]:
        found = {}
        for total in self._made("sum"):
            names = [
                ref.name
                for ref in total.operands
                if ref.name in self._program.assignments and not ref.previous and self._is_passing(ref.name, "times")
            ]
            if len(names) > 1:
                factors = {n: sorted(self._program.assignments[n].operands, key=self._is_no_gate) for n in names}
                # The gates that come from a stack go first, so that what is made of them can be put behind them.
                names.sort(key=lambda name: not self._comes_from_a_stack(factors[name][0]))
                left, right = (tuple(factors[name][side] for name in names) for side in (0, 1))
                found[total.name] = Bundle(tuple(names), left, right)
        return found

    def _is_no_gate(self, ref: Ref) -> bool:
        made = None if ref.previous else self._program.assignments.get(ref.name)
        return made is None or made.operation not in ("sigmoid", "complement")

    def _comes_from_a_stack(self, ref: Ref) -> bool:
        made = None if ref.previous else self._program.assignments.get(ref.name)
        return made is not None and len(made.operands) == 1 and made.operands[0].name in self._stacked()

    def _wishes(self) -> list[tuple[Ref, ...]]:
        """The refs that like to be neighbours, side by side in a bundle."""
        return [side for bundle in self.bundles.values() for side in (bundle.left, bundle.right)]

    def _ordered_stacks(self) -> tuple[Stack, ...]:
        wished = {ref: (k, place) for k, wish in enumerate(self._wishes()) for place, ref in enumerate(wish)}

        def order(product: str) -> tuple[object, ...]:
            value = self.value(product)
            users = self._program.users[value]
            result = Ref(users[0].name) if self._function(value) else Ref(value)
            return (*self._kind(product), wished.get(result, (-1, 0)))

        groups: dict[Ref, list[str]] = {}
        alone = []
        for product in self._made("product"):
            if product.name in self._program.state:
                alone.append(Stack(product.operands[0], (product.name,), 0))
            else:
                groups.setdefault(product.operands[0], []).append(product.name)
        stacks = []
        for operand, products in groups.items():
            driven = sum(bool(self.drive(self.value(name))) for name in products)
            stacks.append(Stack(operand, tuple(sorted(products, key=order)), driven))
        return (*stacks, *alone)

    def _kind(self, product: str) -> tuple[bool, int, bool, str]:
        """What the members of one pack have in common."""
        value = self.value(product)
        return (not self.drive(value), self._program.ranks[value], value in self.negated, self._function(value))

    def _packs(self) -> dict[str, tuple[str, ...]]:
        found: dict[str, tuple[str, ...]] = {}
        for stack in self.stacks:
            groups: dict[tuple[object, ...], list[str]] = {}
            for product in stack.members:
                value = self.value(product)
                if self._function(value):
                    groups.setdefault(self._kind(product), []).append(self._program.users[value][0].name)
            found |= {name: tuple(pack) for pack in groups.values() for name in pack}
        return found

    def _only_multiplies(self, gate: str) -> bool:
        """Whether a gate is a sigmoid that is never read but as one factor of a product with something else."""
        made = self._program.assignments[gate]
        if made.operands[0].name not in self.negated or gate in self._program.state:
            return False
        users = self._program.users[gate]
        others = [ref for user in users for ref in user.operands if ref != Ref(gate)]
        if any(user.operation != "times" or user.operands.count(Ref(gate)) > 1 for user in users):
            return False
        return not any(
            not ref.previous and ref.name in self.packs and self._program.assignments[ref.name].operation == "sigmoid"
            for ref in others
        )

    def _place_all(self) -> None:
        for stack in self.stacks:
            if stack.members[0] not in self._program.state:
                self._settle(stack.members)
        # The given values of a stack come in its order.
        drives = [self.drive(self.value(product)) for stack in self.stacks for product in stack.members]
        drives = [name for name in drives if name]
        self._settle([*drives, *(name for name in self._program.given if name not in drives)])
        for row in self._neighbours():
            self._settle(row)
        for bundle in self.bundles.values():
            self._settle(bundle.products, kept=False)
        for name in (*self._program.state, *self._program.assignments):
            if name not in self._places and name not in self.hosted:
                self._settle([name], kept=self._program.is_named(name))

    def _neighbours(self) -> list[list[str]]:
        """The packs, each with what likes to lie behind its last gates, and the wishes that nothing contradicts."""
        rows = [list(pack) for pack in dict.fromkeys(self.packs.values()) if len(pack) > 1]
        taken = {name for row in rows for name in row} | {*self._program.given, *self._places, *self.hosted}
        for wish in self._wishes():
            names = [ref.name for ref in wish]
            late = any(ref.name in self._program.state and not ref.previous for ref in wish)
            if late or len(set(names)) < len(names):
                continue
            free = [name for name in names if name not in taken]
            head = names[: len(names) - len(free)]
            behind = next((row for row in rows if head and row[-len(head) :] == head), None)
            if not head:
                rows.append(names)
            elif behind is not None and names[len(head) :] == free:
                behind += free
            else:
                continue
            taken |= set(free)
        return rows

    def _settle(self, names: Sequence[str], *, kept: bool = True) -> None:
        """Give the names a bank of their own, side by side."""
        width = 0
        for name in names:
            stop = width + self._sizes[self._program.axes[name]]
            self._places[name] = Place(len(self.banks), width, stop)
            width = stop
        if names:
            self.banks.append(Bank(width, kept))
