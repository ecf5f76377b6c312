from __future__ import annotations

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rnn_calc.core.errors import DataError, NonFiniteError
from rnn_calc.core.losses import Loss
from rnn_calc.core.vocabulary import LOSSES, REDUCTIONS
from rnn_calc.core.weights import Array
from tests.torch_or_skip import torch

every_reduction = pytest.mark.parametrize("reduction", REDUCTIONS)

Y = np.array([[1.0, 2.0], [3.0, -1.0], [0.5, 0.25]])

# One of each loss, for outputs of width 2 over 3 steps.
EXAMPLES = {
    "last": Loss("last"),
    "sum": Loss("sum"),
    "mse": Loss("mse", [[0.0, 0.0], [np.nan, np.nan], [1.0, 1.0]]),
    "cross-entropy": Loss("cross-entropy", [0, -1, 1]),
}
every_loss = pytest.mark.parametrize("loss", EXAMPLES.values(), ids=EXAMPLES)


def torch_loss(loss: Loss, outputs: Array) -> tuple[float, Array]:
    """The loss and its gradient as torch has them; nan targets are left out of MSELoss by hand."""
    y = torch.tensor(outputs, requires_grad=True)
    if loss.kind == "cross-entropy":
        value = torch.nn.CrossEntropyLoss(reduction=loss.reduction, ignore_index=-1)(y, torch.tensor(loss.targets))
    else:
        there = ~torch.isnan(torch.tensor(loss.targets))
        value = torch.nn.MSELoss(reduction=loss.reduction)(y[there], torch.tensor(loss.targets)[there])
    value.backward()
    return value.item(), y.grad.numpy()


def test_every_loss_has_an_example_here() -> None:
    assert EXAMPLES.keys() == LOSSES.keys()


def test_last_adds_up_the_outputs_of_the_last_step() -> None:
    np.testing.assert_array_equal(Loss("last").steps(Y), [0, 0, 0.75])
    np.testing.assert_array_equal(Loss("last").gradient(Y), np.array([[0.0, 0], [0, 0], [1, 1]]))


def test_sum_adds_up_the_outputs_of_every_step() -> None:
    np.testing.assert_array_equal(Loss("sum").steps(Y), [3, 2, 0.75])
    np.testing.assert_array_equal(Loss("sum").gradient(Y), np.ones((3, 2)))


def test_mse_is_the_mean_of_all_squares_worked_by_hand() -> None:
    loss = Loss("mse", [[0.0, 0.0], [3.0, 1.0], [0.5, 0.25]])
    np.testing.assert_allclose(loss.steps(Y), [5 / 6, 4 / 6, 0], rtol=1e-15)
    np.testing.assert_allclose(loss.gradient(Y), np.array([[1, 2], [0, -2], [0, 0]]) / 3, rtol=1e-15)


def test_mse_counts_no_step_without_a_target() -> None:
    loss = EXAMPLES["mse"]
    assert loss.counted(Y) == 4
    np.testing.assert_array_equal(loss.steps(Y), [5 / 4, 0, (0.25 + 0.5625) / 4])
    np.testing.assert_array_equal(loss.gradient(Y), [[0.5, 1], [0, 0], [-0.25, -0.375]])
    np.testing.assert_array_equal(loss.has_loss(3), [True, False, True])


def test_one_number_that_is_nan_is_left_out_by_itself() -> None:
    loss = Loss("mse", [[0.0, np.nan], [3.0, -1.0], [0.5, 0.25]], "sum")
    assert loss.counted(Y) == 5
    np.testing.assert_array_equal(loss.steps(Y), [1, 0, 0])


def test_one_target_alone_is_the_last_steps() -> None:
    np.testing.assert_array_equal(Loss("mse", [[0.0, 0.25]], "sum").steps(Y), [0, 0, 0.25])
    np.testing.assert_array_equal(Loss("cross-entropy", [1]).has_loss(3), [False, False, True])
    assert Loss("cross-entropy", 1).counted(Y) == 1


@every_reduction
@pytest.mark.parametrize("width", [1, 2, 5])
def test_mse_is_that_of_torch(width: int, reduction: str) -> None:
    rng = np.random.default_rng(width)
    outputs, targets = rng.normal(size=(7, width)), rng.normal(size=(7, width))
    targets[2] = np.nan
    loss = Loss("mse", targets, reduction)
    value, gradient = torch_loss(loss, outputs)
    # Sums of some tens of terms of one sign.
    np.testing.assert_allclose(loss.steps(outputs).sum(), value, rtol=1e-14)
    np.testing.assert_allclose(loss.gradient(outputs), gradient, rtol=1e-14, atol=0)


@every_reduction
@pytest.mark.parametrize("scale", [1, 30])
def test_cross_entropy_is_that_of_torch(scale: float, reduction: str) -> None:
    rng = np.random.default_rng(3)
    outputs = scale * rng.normal(size=(9, 4))
    loss = Loss("cross-entropy", [0, 3, -1, 2, 2, 1, -1, 0, 3], reduction)
    value, gradient = torch_loss(loss, outputs)
    np.testing.assert_allclose(loss.steps(outputs).sum(), value, rtol=1e-13)
    # torch forms p − 1, whose rounding is that of 1.
    np.testing.assert_allclose(loss.gradient(outputs), gradient, rtol=1e-13, atol=1e-15)


@given(
    st.lists(st.floats(-300, 300), min_size=2, max_size=5),
    st.integers(0, 4),
)
@settings(deadline=None, max_examples=200)
def test_cross_entropy_keeps_its_digits_however_certain_the_class_is(row: list[float], number: int) -> None:
    chosen = number % len(row)
    with mpmath.workdps(400):
        powers = [mpmath.e ** mpmath.mpf(y) for y in row]
        total = mpmath.fsum(powers)
        value = mpmath.log(total) - mpmath.mpf(row[chosen])
        gradient = [p / total - (j == chosen) for j, p in enumerate(powers)]
    loss = Loss("cross-entropy", [chosen])
    # exp at an argument of up to 600 has a relative error of 600 u from the rounding of the difference alone.
    np.testing.assert_allclose(loss.steps(np.array([row]))[0], float(value), rtol=1e-12)
    np.testing.assert_allclose(loss.gradient(np.array([row]))[0], [float(g) for g in gradient], rtol=1e-12, atol=0)


def test_large_logits_do_not_overflow() -> None:
    outputs = np.array([[1000.0, 0.0], [0.0, 1000.0]])
    loss = Loss("cross-entropy", [0, 0], "sum")
    np.testing.assert_array_equal(loss.steps(outputs), [0, 1000])
    np.testing.assert_array_equal(loss.gradient(outputs), [[0, 0], [-1, 1]])


@every_loss
def test_the_gradient_is_what_complex_steps_of_the_losses_give(loss: Loss) -> None:
    step = 1e-30
    for t, j in np.ndindex(*Y.shape):
        moved = Y.astype(np.complex128)
        moved[t, j] += 1j * step
        # Each row has its own loss alone: ∂L_s/∂y_t is 0 for s ≠ t.
        slopes = loss.steps(moved).imag / step
        np.testing.assert_allclose(slopes[t], loss.gradient(Y)[t, j], rtol=1e-14, atol=0)
        assert not np.delete(slopes, t).any()


def test_whole_numbers_may_be_real_numbers_or_stand_in_a_column() -> None:
    np.testing.assert_array_equal(Loss("cross-entropy", [[0.0], [np.nan], [1.0]]).targets, [0, -1, 1])
    np.testing.assert_array_equal(Loss("mse", [1, 2, 3]).targets, [[1], [2], [3]])


@pytest.mark.parametrize(
    ("kind", "targets", "message"),
    [
        ("mes", None, "There is no loss 'mes'; it must be last, sum, mse or cross-entropy. Did you mean mse?"),
        ("mse", None, "The loss mse compares the outputs with targets; none were given."),
        ("last", [1.0], "The loss last has no targets; mse and cross-entropy have."),
        ("mse", [[1.0, 2.0], [1.0]], "Targets must be numbers, as many at every step: (T, d), or (T,) for one a step."),
        ("mse", ["a"], "Targets must be numbers, as many at every step: (T, d), or (T,) for one a step."),
        ("mse", [[[1.0]]], "Targets have the shape (T, d), or (T,) for one a step; not (1, 1, 1)."),
        ("mse", [np.nan], "Every target is NaN, which says that the step has none; at least one step needs a target."),
        ("cross-entropy", [-1], "Every target is −1, which says that the step has none; at least one step needs a"),
        ("cross-entropy", [0, 0.5], "The target of step 2 is 0.5; cross-entropy needs the number of a class: 0, 1, 2"),
        ("cross-entropy", [0, -2], "The target of step 2 is -2; cross-entropy needs the number of a class"),
        ("cross-entropy", [[0, 1]], "Cross-entropy needs one class number a step, shape (T,); these targets have 2"),
    ],
)
def test_targets_that_are_none_are_told_so(kind: str, targets: object, message: str) -> None:
    with pytest.raises(DataError) as caught:
        Loss(kind, targets)
    assert str(caught.value).startswith(message)


def test_an_infinite_target_is_told_with_its_step() -> None:
    with pytest.raises(NonFiniteError, match="The target of step 2 is infinite"):
        Loss("mse", [1.0, np.inf])


def test_an_unknown_reduction_is_told_the_nearest() -> None:
    with pytest.raises(DataError, match="There is no reduction 'avg'; it must be mean or sum"):
        Loss("last", reduction="avg")


@pytest.mark.parametrize(
    ("loss", "message"),
    [
        (Loss("mse", [[1.0, 2.0]] * 2), "There are targets for 2 steps; the sequence has 3. Give one for every step"),
        (Loss("mse", [[0.5]] * 3), "The targets have 1 number a step; the outputs have 2."),
        (Loss("mse", [0, 1, 1]), "have 2. Whole numbers that name a class are targets of the loss cross-entropy."),
        (Loss("cross-entropy", [0, 1]), "There are targets for 2 steps; the sequence has 3."),
        (Loss("cross-entropy", [0, 1, 2]), "The target of step 3 is class 2; 2 outputs have the classes 0 to 1."),
        (Loss("cross-entropy", 7), "The target of step 3 is class 7; 2 outputs have the classes 0 to 1."),
    ],
)
def test_targets_that_do_not_fit_the_outputs_are_told_so(loss: Loss, message: str) -> None:
    for method in (loss.steps, loss.gradient):
        with pytest.raises(DataError) as caught:
            method(Y)
        assert message in str(caught.value)


def test_cross_entropy_of_one_output_is_told_that_there_is_nothing_to_choose() -> None:
    with pytest.raises(DataError, match="Cross-entropy needs an output for each class, at least 2"):
        Loss("cross-entropy", [0]).steps(np.zeros((3, 1)))
