"""Training, checkpoints and twins on inputs that nobody thought of; and that no name is left out.

`--hypothesis-profile many` tries thousands of inputs instead of some forty.
"""

import keras
import numpy as np
import pytest
import test_properties_figures
import test_properties_scores
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from property_inputs import attempt, wild_arrays, wild_scalars, wild_things

import course_utils
from course_utils import (
    assert_twins,
    copy_weights,
    doctor,
    largest_difference,
    load_checkpoint,
    resumable,
    save_checkpoint,
    setup,
    train,
)
from course_utils.training import History, NonFiniteError

COVERS = {
    "assert_twins",
    "copy_weights",
    "doctor",
    "largest_difference",
    "load_checkpoint",
    "resumable",
    "save_checkpoint",
    "setup",
    "train",
}
FEW = settings(max_examples=settings.default.max_examples // 4)


def test_every_exported_name_is_tried():
    modules = (test_properties_figures, test_properties_scores)
    covered = COVERS.union(*(module.COVERS for module in modules))
    assert covered == set(course_utils.__all__)
    assert sum(len(module.COVERS) for module in modules) + len(COVERS) == len(covered)


@pytest.fixture(scope="module")
def twins():
    ours = torch.nn.Sequential(torch.nn.Linear(3, 2))
    theirs = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    copy_weights(ours, theirs)
    return ours, theirs


def step(batch):
    return {"loss": 0.5}


@given(seed=wild_things())
def test_setup_refuses_what_is_no_seed(seed):
    if type(seed) is not int and type(seed) is not np.int64 or not 0 <= seed < 2**32:
        assert not attempt(setup, seed)


@FEW
@given(record=wild_things(), batches=wild_things(), number=wild_things())
def test_train(record, batches, number):
    for history in attempt(train, lambda _: record, [0], 2, allowed=[NonFiniteError]):
        assert history.steps == 2
        assert all(np.isfinite(values).all() for values in history.values.values())
    attempt(train, step, batches if np.ndim(batches) else [batches], 2)
    attempt(train, record, [0], 2)
    small = not isinstance(number, (int, np.integer)) or number < 30
    for history in attempt(train, step, [0], number) if small else ():
        assert history.steps == number
    if small:
        attempt(train, step, [0], 2, snapshot=lambda: np.zeros(2), moments=number)
    attempt(train, step, [0], 2, checkpoint_every=number)
    attempt(train, step, [0], 2, state=record)


@settings(max_examples=settings.default.max_examples // 8)
@given(state=wild_things(), values=wild_things(), snapshot=wild_things())
def test_checkpoints(state, values, snapshot, tmp_path_factory):
    path = tmp_path_factory.mktemp("checkpoints") / "one.safetensors"
    net = torch.nn.Linear(2, 1)
    histories = [History({"loss": values}, steps=3), History({}, [snapshot], [0]), state]
    for history in histories:
        saved = attempt(save_checkpoint, path, {"net": net}, history, allowed=[NonFiniteError])
        assert path.exists() == bool(saved)
        if saved:
            found = load_checkpoint(path, {"net": net})
            assert found.steps == (history.steps if history is not None else 0)
            path.unlink()
    for things in (state, {"net": state}):
        assert not attempt(save_checkpoint, path, things, allowed=[NonFiniteError])
        assert not path.exists()
    save_checkpoint(path, {"net": net})
    assert not attempt(load_checkpoint, path, state)
    if not isinstance(state, str):
        assert not attempt(save_checkpoint, state, {"net": net})
        assert not attempt(load_checkpoint, state, {"net": net})


@given(function=wild_things(), position=wild_scalars())
def test_resumable(function, position):
    attempt(resumable, function)
    stream = resumable(lambda: iter(range(9)))()
    if attempt(setattr, stream, "position", position):
        assert stream.position == position
        assert list(stream) == list(range(9))[position:]
    attempt(resumable(lambda: function))


@FEW
@given(inputs=st.one_of(wild_things(), wild_arrays(st.just((2, 3)))), bound=wild_scalars())
def test_assert_twins(twins, inputs, bound):
    before = [np.array(p.detach()) for p in twins[0].parameters()]
    for report in attempt(assert_twins, *twins, inputs, allowed=[AssertionError]):
        assert report.output <= report.atol and report.gradient <= report.rtol
    good = np.ones((2, 3), np.float32)
    for name in ("atol", "rtol"):
        attempt(assert_twins, *twins, good, **{name: bound}, allowed=[AssertionError])
    after = [np.array(p.detach()) for p in twins[0].parameters()]
    assert all(map(np.array_equal, before, after))


@given(thing=wild_things())
def test_what_is_no_model_is_no_twin(twins, thing):
    for pair in ((thing, twins[1]), (twins[0], thing), (thing, thing)):
        assert not attempt(copy_weights, *pair)
        assert not attempt(largest_difference, *pair)
        assert not attempt(assert_twins, *pair, np.ones((2, 3)))


@FEW
@given(thing=wild_things())
def test_the_doctor_refuses_what_is_no_gan(thing):
    net, batch = torch.nn.Linear(2, 2), (torch.ones(8, 2), torch.ones(8, 2))
    for pair in ((thing, net), (net, thing), (thing, thing)):
        assert not attempt(doctor.examine, *pair, step, batch)
    for pictures in (thing, [thing]):  # An array may pass for pictures; G and D never move.
        for report in attempt(doctor.examine, net, net, step, pictures):
            assert not report.sound
    for name in ("real", "score", "losses", "steps"):
        for report in attempt(doctor.examine, net, net, step, batch, **{name: thing}):
            assert not report.sound


@given(value=st.sampled_from([np.nan, np.inf, 1e30, 0.0]), place=st.integers(0, 5))
def test_largest_difference(twins, value, place):
    ours = torch.nn.Sequential(torch.nn.Linear(3, 2))
    copy_weights(twins[1], ours)
    assert largest_difference(ours, twins[1]) == 0
    with torch.no_grad():
        ours[0].weight.view(-1)[place] = value
    kernel = twins[1].layers[0].kernel.numpy().T.ravel()
    for difference in attempt(largest_difference, ours, twins[1]):
        assert difference == pytest.approx(abs(value - kernel[place]), rel=1e-6)
