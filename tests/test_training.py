"""The loop, its history and its ways to stop."""

import itertools
import signal
import threading
import time

import numpy as np
import pytest
import tensorflow as tf
import torch
from torch.utils.data import DataLoader, TensorDataset

from course_utils import load_checkpoint, train
from course_utils.training import NonFiniteError


def count_up():
    """Return a step function whose values are 1, 2, 3, ... and their squares."""
    numbers = itertools.count(1)

    def step(_):
        number = next(numbers)
        return {"d_loss": float(number), "g_loss": number**2}

    return step


nothing = itertools.repeat(None)


# --- history and snapshots -------------------------------------------------------------------


@pytest.mark.parametrize("steps", [1, 3, 120])
def test_history_holds_every_value(steps, capsys):
    history = train(count_up(), nothing, steps, name="mine")
    assert history["d_loss"].tolist() == list(range(1, steps + 1))
    assert history["g_loss"].tolist() == [n**2 for n in range(1, steps + 1)]
    assert history.steps == steps
    assert history.stopped == ""
    last = list(range(1, steps + 1))[-50:]
    assert history.mean("d_loss") == np.mean(last)
    assert repr(history) == f"History of {steps} steps: d_loss, g_loss; 0 snapshots"
    printed = capsys.readouterr()
    assert printed.out.splitlines()[-1].startswith(f"mine: {steps} steps; mean of the last 50:")
    assert printed.err == ""


@pytest.mark.parametrize(
    "make",
    [
        float,
        np.float32,
        torch.tensor,
        tf.constant,
        lambda value: torch.tensor([value]),
        lambda value: torch.tensor(value, requires_grad=True),
    ],
)
@pytest.mark.filterwarnings("error")
def test_scalars_of_any_framework_are_recorded_as_numbers(make):
    history = train(lambda _: {"loss": make(1.5)}, nothing, 2)
    assert history.values == {"loss": [1.5, 1.5]}
    assert type(history.values["loss"][0]) is float


def test_pairs_are_given_as_two_arguments():
    pairs = itertools.cycle([("pictures", "labels")])
    taken = []
    train(lambda images, labels: taken.append((images, labels)) or {"loss": 0}, pairs, 1)
    assert taken == [("pictures", "labels")]


@pytest.mark.parametrize(
    ("steps", "moments", "expected"),
    [(10, 2, [0, 10]), (8, 5, [0, 2, 4, 6, 8]), (100, 4, [0, 33, 67, 100]), (2, 8, [0, 1, 2])],
)
def test_snapshots_are_taken_at_even_moments(steps, moments, expected):
    done = []
    history = train(
        lambda _: done.append(1) or {"loss": 0},
        nothing,
        steps,
        snapshot=lambda: np.full((2, 2), len(done)),
        moments=moments,
    )
    assert history.snapshot_steps == expected
    assert [int(snapshot[0, 0]) for snapshot in history.snapshots] == expected


@pytest.mark.filterwarnings("error")
def test_snapshots_of_any_framework_become_independent_arrays():
    weights = torch.zeros(2, requires_grad=True)
    for snapshot in (lambda: weights * 1, lambda: tf.zeros(2), lambda: np.zeros(2)):
        history = train(lambda _: {"loss": 0}, nothing, 1, snapshot=snapshot)
        assert all(type(taken) is np.ndarray for taken in history.snapshots)
    array = np.zeros(2)

    def step(_):
        array[:] += 1
        return {"loss": 0}

    history = train(step, nothing, 2, snapshot=lambda: array)
    assert [taken[0] for taken in history.snapshots] == [0, 1, 2]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"steps": 0}, "steps must be at least 1, but got 0"),
        ({"steps": 1.5}, "but got 1.5"),
        ({"steps": 1, "snapshot": list, "moments": 1}, "moments must be at least 2"),
        ({"steps": 1, "checkpoint": "a.safetensors"}, "belong together"),
        ({"steps": 1, "state": {}}, "belong together"),
    ],
)
def test_impossible_arguments_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        train(count_up(), nothing, **arguments)


@pytest.mark.parametrize("returned", [None, 1.0, {}, (1, 2)])
def test_a_step_must_return_named_scalars(returned):
    with pytest.raises(ValueError, match="must return a dict of scalars"):
        train(lambda _: returned, nothing, 1)


@pytest.mark.parametrize(("batches", "taken"), [([], 0), (iter([1, 2]), 2)])
def test_batches_that_cannot_start_anew_are_one_clear_error(batches, taken):
    with pytest.raises(ValueError, match=f"batches ended after {taken} of 3 steps"):
        train(lambda _: {"loss": 0}, batches, 3)


def torch_loader(labels):
    arrays = [torch.arange(6.0).reshape(3, 2), torch.arange(3)]
    return DataLoader(TensorDataset(*arrays[: 1 + labels]), batch_size=1)


def tf_dataset(labels):
    arrays = (np.arange(6.0).reshape(3, 2), np.arange(3))
    return tf.data.Dataset.from_tensor_slices(arrays if labels else arrays[0]).batch(1)


@pytest.mark.parametrize("make", [torch_loader, tf_dataset])
@pytest.mark.parametrize("labels", [False, True])
def test_what_both_frameworks_yield_is_taken_again_and_again(make, labels):
    """A DataLoader yields lists, a Dataset tuples or single tensors; both end after a pass."""
    seen = []

    def step(images, labels=None):
        assert tuple(images.shape) == (1, 2)
        seen.append((float(images[0, 0]), None if labels is None else int(labels[0])))
        return {"loss": 0}

    assert train(step, make(labels), 7).steps == 7
    expected = [(0, 0), (2, 1), (4, 2)] if labels else [(0, None), (2, None), (4, None)]
    assert seen == (3 * expected)[:7]


def test_a_dict_is_given_by_name():
    taken = []
    batch = {"label": 1, "image": 2}
    train(lambda image, label: taken.append((image, label)) or {"loss": 0}, [batch], 2)
    assert taken == [(2, 1), (2, 1)]


def test_steps_are_counted_whatever_a_step_returns():
    """D and G in turn: each name has half of the values."""
    names = itertools.cycle(["d_loss", "g_loss"])
    history = train(lambda _: {next(names): 0.5}, nothing, 100)
    assert history.steps == 100
    assert len(history["d_loss"]) == len(history["g_loss"]) == 50


# --- stopping --------------------------------------------------------------------------------


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("make", [float, torch.tensor, tf.constant])
def test_a_value_that_is_not_finite_stops_and_names_the_step(bad, make, tmp_path):
    path = tmp_path / "last.safetensors"
    steps = itertools.count(1)

    def step(_):
        return {"d_loss": 0.5, "g_loss": make(bad if next(steps) == 4 else 0.25)}

    state = {"model": torch.nn.Linear(1, 1)}
    with pytest.raises(NonFiniteError, match=f"mine: g_loss became {bad} at step 4") as caught:
        train(step, nothing, 9, "mine", checkpoint=path, state=state, checkpoint_every=2)
    history = caught.value.history
    assert history.values == {"d_loss": [0.5] * 3, "g_loss": [0.25] * 3}
    assert history.stopped == f"g_loss became {bad} at step 4"
    assert load_checkpoint(path, state).steps == 2  # The last good one, untouched.


def test_an_interrupt_at_any_moment_ends_a_whole_step():
    """Fifty real interrupts at random moments of steps that change two things."""
    rng = np.random.default_rng(0)
    for moment in rng.uniform(0, 0.02, 50):
        done = {"D": 0, "G": 0}
        timer = threading.Timer(moment, signal.raise_signal, [signal.SIGINT])

        def step(_, done=done, timer=timer):
            if not done["D"]:
                timer.start()
            for player in done:
                time.sleep(0.001)
                done[player] += 1
            return {"loss": 0}

        history = train(step, nothing, 10**6)
        timer.join()
        assert history.stopped == f"interrupted after step {history.steps}"
        assert done == {"D": history.steps, "G": history.steps}
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_training_in_another_thread_runs():
    results = []
    thread = threading.Thread(target=lambda: results.append(train(count_up(), nothing, 3)))
    thread.start()
    thread.join()
    assert results[0].steps == 3


def test_an_interrupt_keeps_history_weights_and_checkpoint(tmp_path, capsys):
    path = tmp_path / "last.safetensors"
    model = torch.nn.Linear(1, 1)

    def step(_):
        if model.bias.item() == 2:
            signal.raise_signal(signal.SIGINT)  # In the middle of the third step.
        with torch.no_grad():
            model.bias.copy_(model.bias.round() + 1)
        return {"loss": model.bias.item()}

    torch.nn.init.zeros_(model.bias)
    history = train(step, nothing, 9, checkpoint=path, state={"model": model})
    assert history.values == {"loss": [1, 2, 3]}
    assert history.stopped == "interrupted after step 3"
    assert "interrupted after step 3; call train again to go on" in capsys.readouterr().out
    assert model.bias.item() == 3
    torch.nn.init.zeros_(model.bias)
    assert load_checkpoint(path, {"model": model}).values == {"loss": [1, 2, 3]}
    assert model.bias.item() == 3


def test_the_steps_own_errors_pass_through():
    with pytest.raises(ZeroDivisionError):
        train(lambda _: {"loss": 1 / 0}, nothing, 1)


def test_eight_snapshots_and_means_of_fifty_if_nothing_else_is_asked():
    history = train(count_up(), nothing, 70, snapshot=lambda: np.zeros(1))
    assert history.snapshot_steps == [0, 10, 20, 30, 40, 50, 60, 70]
    assert history.mean("d_loss") == np.mean(range(21, 71))
    assert history.mean("d_loss", last=2) == 69.5


def test_bfloat16_values_and_snapshots_are_recorded():
    tensor = torch.tensor([0.5], dtype=torch.bfloat16, requires_grad=True)
    for value in (tensor, tf.constant(0.5, tf.bfloat16)):
        history = train(lambda _, v=value: {"loss": v}, nothing, 1, snapshot=lambda v=value: v)
        assert history.values == {"loss": [0.5]}
        assert history.snapshots[0].dtype == np.float32


def test_a_value_of_several_numbers_is_refused():
    with pytest.raises(ValueError):
        train(lambda _: {"loss": torch.zeros(2)}, nothing, 1)
