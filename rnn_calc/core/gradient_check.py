"""A gradient against derivatives that know nothing of it: complex steps and central differences.

Both follow the network's own equations step by step, under a change of one entry, or of all entries of a parameter at
once in a drawn direction. A complex step L(W + ihE) has the derivative along E in its imaginary part, with all its
digits however small it is. Central differences lose digits to rounding, so they judge only what stands out of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from math import isfinite, prod
from typing import NamedTuple

import numpy as np

from rnn_calc.core.engine import Watch
from rnn_calc.core.gradient_probes import TOLERANCE, GradientCheck, Probe
from rnn_calc.core.losses import Loss
from rnn_calc.core.perturbed import Change, PerturbedRun
from rnn_calc.core.trace import Trace
from rnn_calc.core.weights import Array

MOST_ENTRIES = 200
# A sample never has fewer of one parameter.
_FEWEST_OF_ONE = 2
# States of all changes that are followed at once, in numbers, and the work of a check in multiply-adds.
_NUMBERS_AT_ONCE = 2**22
_WORK = 8e9
_FEWEST = 8
# Halfway through float64's exponents, where neither derivatives of 1e140 nor those of 1e−150 lose digits.
_IMAGINARY = 1e-150
_OTHER_STEPS = (1e-20, 1e-290)
# Below this, beside what a gradient is added up from too, float64 has lost digits for want of exponents.
_LEAST = 1e-300
# Rounding is at most so many times what drawn last digits change, the most of so many draws.
_SHAKEN = 2
_SHAKES = 4
# What is off by so much more than a draw changes is drawn no more.
_BEYOND = 1e4
_TINY, _HUGE = 1e-130, 1e125
_REAL = 2.0**-12
_ULP = float(np.finfo(np.float64).eps)
# Central differences agree if they do to that, 4 times what they may be off to be believed: what is sharper is the
# complex steps' affair.
_CENTRAL = 4e-3
# What rounding may make of the outputs of a run that is not chaotic.
_SMOOTH = 1e-9


def check_gradient(
    run: Trace,
    loss: Loss,
    gradients: Mapping[str, Array],
    scales: Mapping[str, float] | None = None,
    *,
    seed: int = 0,
    most: int = MOST_ENTRIES,
    watch: Watch = iter,
) -> GradientCheck:
    """The gradient of a loss, by canonical names, against complex steps and central differences.

    Every entry is looked at where there are at most `most`, else a sample over all parameters, drawn with `seed`; and
    one drawn direction through each parameter, and one through all of them. `scales` are, for each parameter, the sum
    of the norms of what the gradient is added up from, which says what is too far below it for float64's exponents;
    without them, its own norm.
    """
    total = sum(array.size for array in gradients.values())
    rng = np.random.default_rng([seed, 3])
    entries = list(_sample(gradients, _affordable(run, most), rng))
    plans = [Change(1, entry=entry) for entry in entries]
    groups = [*([name] for name in gradients), list(gradients)]
    plans += [Change(1, direction=_direction(gradients, names, rng)) for names in groups]
    width = max(*run.network.widths, run.network.d_in, run.network.output_width, run.network.d_out)
    at_once = max(1, min(len(plans), _NUMBERS_AT_ONCE // (4 * run.steps * width)))
    found: list[Probe] = []
    drift, noise = 0.0, _noise(run)
    scales = scales or {name: float(np.linalg.norm(array)) for name, array in gradients.items()}
    for start in watch(range(0, len(plans), at_once)):
        probes, apart = _probe(run, loss, plans[start : start + at_once], gradients, scales, noise)
        found += probes
        drift = max(drift, apart)
    return GradientCheck(tuple(found), total, seed, drift)


def _affordable(run: Trace, most: int) -> int:
    """How many entries can be looked at in reasonable time."""
    matrices = sum(prod(run.network.shape(p)) for p in run.network.parameters if p.is_matrix and p.role != "embedding")
    # Two real products for the complex step, four for the differences.
    return max(_FEWEST, min(most, int(_WORK / (6 * run.steps * max(matrices, 1)))))


def _sample(
    gradients: Mapping[str, Array], most: int, rng: np.random.Generator
) -> Iterable[tuple[str, tuple[int, ...]]]:
    """Entries of every parameter; all of them where there are few, else so many as its share of all entries is."""
    total = sum(array.size for array in gradients.values())
    for name, array in gradients.items():
        count = array.size
        if total > most:
            count = min(array.size, max(_FEWEST_OF_ONE, most * array.size // total))
        chosen = range(array.size) if count == array.size else np.sort(rng.choice(array.size, count, replace=False))
        for flat in chosen:
            yield name, tuple(int(i) for i in np.unravel_index(int(flat), array.shape))


def _direction(gradients: Mapping[str, Array], names: Iterable[str], rng: np.random.Generator) -> dict[str, Array]:
    """A drawn direction of norm 1 through every entry of these parameters."""
    arrays = {name: rng.standard_normal(gradients[name].shape) for name in names}
    norm = np.sqrt(sum(float((array * array).sum()) for array in arrays.values()))
    return {name: array / norm for name, array in arrays.items()}


class _Expected(NamedTuple):
    """What the gradient says of a change, what its rounding is relative to, and what float64's exponents leave out."""

    gradient: float
    size: float
    least: float

    def is_off(self, derivative: float) -> bool:
        """Whether a derivative, which may be no number, does not agree."""
        apart = abs(derivative - self.gradient)
        return not isfinite(apart) or apart > TOLERANCE * max(self.size, abs(derivative))


def _expected(plan: Change, gradients: Mapping[str, Array], scales: Mapping[str, float]) -> _Expected:
    if plan.entry:
        name, index = plan.entry
        value = float(gradients[name][index])
        return _Expected(value, abs(value), _LEAST * _bounded(scales[name]))
    assert plan.direction
    parts = [gradients[name] * array for name, array in plan.direction.items()]
    largest = max(float(np.abs(part).max()) for part in parts)
    # Scaled first: the squares of what is tiny would be 0.
    squares = sum(float(((part / largest) ** 2).sum()) for part in parts) if largest > 0 else 0.0
    least = _LEAST * max(_bounded(scales[name]) for name in plan.direction)
    return _Expected(float(sum(part.sum() for part in parts)), largest * float(np.sqrt(squares)), least)


def _bounded(scale: float) -> float:
    """A scale of at least 1, where the exponents of complex steps end, and no more than float64 holds."""
    return min(max(scale, 1.0), float(np.finfo(np.float64).max))


def _noise(run: Trace) -> float:
    """What rounding makes of the outputs, relative to them: the run is made anew without a change."""
    traced = run.result
    with np.errstate(all="ignore"):
        anew = PerturbedRun(run, [Change(0.0)] * 4, anchored=False).outputs
        size = float(np.linalg.norm(traced))
        apart = max(float(np.linalg.norm(anew[:, number] - traced)) for number in range(4))
        # Sums and functions of a step round a few times each, and so does the loss.
        return 256 * _ULP + (4 * apart / size if size > 0 else 0.0)


def _probe(
    run: Trace,
    loss: Loss,
    plans: list[Change],
    gradients: Mapping[str, Array],
    scales: Mapping[str, float],
    noise: float,
) -> tuple[list[Probe], float]:
    """The derivatives along some changes, and how far the states are off."""
    expected = [_expected(plan, gradients, scales) for plan in plans]
    steps = [_imaginary_step(one.size) for one in expected]
    exact, drift = _complex_steps(run, loss, plans, steps)
    _take_other_steps(run, loss, plans, expected, exact, steps)
    rounding = _rounding(run, loss, plans, expected, exact, steps)
    sizes = [_REAL * (1 + _entry_size(run, plan)) for plan in plans]
    real = [_sized(plan, h * k) for plan, h in zip(plans, sizes, strict=True) for k in (1, -1, 2, -2)]
    differences = PerturbedRun(run, real, anchored=False)
    traced = run.result
    found = []
    for number, (plan, one) in enumerate(zip(plans, expected, strict=True)):
        outputs = [differences.outputs[:, 4 * number + k] for k in range(4)]
        runs = [loss.steps(output) for output in outputs]
        with np.errstate(all="ignore"):
            added = np.abs(runs[0]).sum() + np.abs(outputs[0] * loss.gradient(outputs[0])).sum()
        kinked = bool(differences.kinked[4 * number])
        difference, error = _central(runs, sizes[number], noise * float(added))
        # Nothing is said of what rounding, or the curvature within the step, could have made up.
        told = error <= max(abs(difference), one.size) / 1000 and _is_smooth(outputs, traced)
        central = difference if told and not kinked else None
        name = plan.entry[0] if plan.entry else _named(plan)
        entry = plan.entry[1] if plan.entry else None
        error = max(error, _CENTRAL * abs(difference))
        found.append(
            Probe(
                name,
                entry,
                one.gradient,
                exact[number],
                one.size,
                rounding[number],
                central,
                error,
                kinked,
            )
        )
    return found, drift


def _complex_steps(
    run: Trace, loss: Loss, plans: list[Change], steps: list[float], shaken: np.random.Generator | None = None
) -> tuple[list[float], float]:
    """The derivative along each change, and how far the states are off."""
    changes = [_sized(plan, 1j * step) for plan, step in zip(plans, steps, strict=True)]
    done = PerturbedRun(run, changes, anchored=True, shaken=shaken)
    with np.errstate(all="ignore"):
        found = [float(loss.steps(done.outputs[:, n]).imag.sum() / step) for n, step in enumerate(steps)]
    return found, done.drift


def _take_other_steps(
    run: Trace, loss: Loss, plans: list[Change], expected: list[_Expected], exact: list[float], steps: list[float]
) -> None:
    """Another step where the first does not agree: on its way a derivative may have left float64, and come back."""
    for step in _OTHER_STEPS:
        # What a step makes next to 0 has lost its digits, and agrees with whatever is said to be 0.
        lost = [one.gradient == 0 and abs(exact[n]) * steps[n] <= _LEAST for n, one in enumerate(expected)]
        off = [n for n, one in enumerate(expected) if (lost[n] and step > steps[n]) or one.is_off(exact[n])]
        if off:
            again, _ = _complex_steps(run, loss, [plans[n] for n in off], [step] * len(off))
            for n, value in zip(off, again, strict=True):
                there = abs(value) * step > _LEAST
                if there and (lost[n] or abs(value - expected[n].gradient) < abs(exact[n] - expected[n].gradient)):
                    exact[n], steps[n] = value, step


def _rounding(
    run: Trace, loss: Loss, plans: list[Change], expected: list[_Expected], exact: list[float], steps: list[float]
) -> list[float]:
    """How far float64 may be off where a derivative does not agree: what last digits on the way make of it.

    That is each derivative's own: one is far less than the rest of its gradient, and has all its digits, where all that
    it is made of is small; another is as small because it cancels.
    """
    found = [one.least for one in expected]
    off = [n for n, one in enumerate(expected) if one.is_off(exact[n])]
    for draw in range(_SHAKES):
        if not off:
            break
        rng = np.random.default_rng(draw)
        shaken, _ = _complex_steps(run, loss, [plans[n] for n in off], [steps[n] for n in off], rng)
        for n, value in zip(off, shaken, strict=True):
            apart = _SHAKEN * abs(value - exact[n])
            found[n] = max(found[n], apart) if isfinite(apart) else found[n]
        off = [n for n in off if found[n] < abs(exact[n] - expected[n].gradient) < _BEYOND * found[n]]
    return found


def _sized(plan: Change, size: complex) -> Change:
    """The same change in another size."""
    return Change(size, plan.entry, plan.direction)


def _named(plan: Change) -> str:
    """The parameter of a direction; "" where it goes through all."""
    assert plan.direction
    return next(iter(plan.direction)) if len(plan.direction) == 1 else ""


def _entry_size(run: Trace, plan: Change) -> float:
    return abs(float(run.weights[plan.entry[0]][plan.entry[1]])) if plan.entry else 0.0


def _imaginary_step(size: float) -> float:
    """A step that keeps the derivative within float64's exponents, and its square far below the value."""
    return 1e-20 if 0 < size < _TINY else 1e-20 / size if size > _HUGE else _IMAGINARY


def _is_smooth(outputs: list[Array], traced: Array) -> bool:
    """Whether the step changes the outputs about linearly: in a chaotic run even rounding changes them altogether."""
    with np.errstate(all="ignore"):
        bent = np.linalg.norm(outputs[0] + outputs[1] - 2 * traced)
        moved = np.linalg.norm(outputs[0] - outputs[1])
        return bool(bent <= 0.1 * moved + _SMOOTH * np.linalg.norm(traced))


def _central(runs: list[Array], h: float, noise: float) -> tuple[float, float]:
    """The central difference at h, improved by that at 2h, and how far it can be trusted.

    `runs` are the losses at h, −h, 2h and −2h, and `noise` is what rounding makes of them.
    """
    with np.errstate(all="ignore"):
        near = float((runs[0] - runs[1]).sum()) / (2 * h)
        far = float((runs[2] - runs[3]).sum()) / (4 * h)
        return (4 * near - far) / 3, 8 * abs(far - near) + noise / h
