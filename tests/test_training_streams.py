"""Streams that can be found again, and trainings that say where they go on."""

import itertools

import numpy as np
import pytest
from training_runs import PICTURES

from course_utils import resumable, train


@resumable
def numbers(seed, end=None):
    """Yield pictures and z from a generator of their own."""
    rng = np.random.default_rng(seed)
    for x in itertools.islice(PICTURES.batches("numpy", 5), end):
        yield x, rng.normal(size=3)


def taken(stream, count):
    return [np.concatenate([x.ravel(), z]) for x, z in itertools.islice(stream, count)]


def test_batches_are_the_functions_and_are_counted():
    stream = numbers(4)
    assert stream.position == 0
    first = taken(stream, 6)
    assert stream.position == 6
    assert np.array_equal(first, taken(numbers.__wrapped__(4), 6))
    assert not np.array_equal(first, taken(numbers(5), 6))
    assert numbers.__doc__ == "Yield pictures and z from a generator of their own."


@pytest.mark.parametrize(("before", "position"), [(0, 7), (3, 7), (7, 7), (9, 7), (9, 0)])
def test_a_position_is_found_from_before_and_behind(before, position):
    whole = taken(numbers(1), 12)
    stream = numbers(1)
    taken(stream, before)
    stream.position = position
    assert stream.position == position
    assert np.array_equal(taken(stream, 12 - position), whole[position:])


def test_a_position_behind_the_end_is_one_clear_error():
    stream = numbers(1, end=4)
    with pytest.raises(ValueError, match="ended after 4 batches; it cannot go on from 6"):
        stream.position = 6


def run(start=0.0):
    """Return a step whose weight depends on every batch and z, and what to save of it."""
    import torch

    weight = torch.nn.Linear(1, 1, bias=False, dtype=torch.float64)
    torch.nn.init.constant_(weight.weight, start)

    def step(x, z):
        with torch.no_grad():
            weight.weight.mul_(0.9).add_(float(x.mean() + z.sum()))
        return {"loss": weight.weight.item(), "a": 1.0}

    return step, {"weight": weight}


@pytest.mark.parametrize("stop", [1, 7, 19])
def test_pictures_and_z_go_on_where_they_stopped(stop, tmp_path, capsys):
    step, whole = run()
    history = train(step, numbers(2), 20)
    file = tmp_path / "run.safetensors"
    step, state = run()
    train(step, numbers(2), stop, checkpoint=file, state=state)
    step, state = run(start=5.0)  # From here only the file leads to the same end.
    capsys.readouterr()
    gone_on = train(step, numbers(2), 20, "mine", checkpoint=file, state=state)
    assert (
        f"mine: goes on after step {stop}, as run.safetensors holds it" in capsys.readouterr().out
    )
    assert state["weight"].weight.item() == whole["weight"].weight.item()
    assert gone_on.values == history.values
    assert list(gone_on.values) == ["loss", "a"]  # In the order of the step, as before.


def test_networks_that_are_trained_again_are_counted_on_and_it_is_said(capsys):
    step, _ = run()
    train(step, numbers(0), 3, "first")
    assert "before" not in capsys.readouterr().out
    again = train(step, numbers(0), 4, "second")
    printed = capsys.readouterr().out
    assert "second: these networks have had 3 steps before" in printed
    assert "7/7" in printed
    assert again.steps == 4
    train(step, numbers(0), 1, "third")
    assert "third: these networks have had 7 steps before" in capsys.readouterr().out
    train(run()[0], numbers(0), 1, "new")
    assert "before" not in capsys.readouterr().out


def test_batches_that_cannot_be_found_again_are_told(tmp_path, capsys):
    file = tmp_path / "run.safetensors"
    for steps in (2, 4):
        step, state = run()
        plain = numbers.__wrapped__(0)  # A generator has no position.
        train(step, plain, steps, "mine", checkpoint=file, state=state)
    assert "its batches begin anew" in capsys.readouterr().out


class Model:
    """Steps as a method: another object at each call, so its steps are not counted on."""

    def step(self, x, z):
        return {"loss": 0.0}


def test_a_method_is_a_step_too(capsys):
    model = Model()
    for _ in range(2):
        assert train(model.step, numbers(0), 3).steps == 3
    assert "before" not in capsys.readouterr().out
