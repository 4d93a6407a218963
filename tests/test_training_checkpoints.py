"""Checkpoints that resume exactly, and are written whole or not at all."""

import itertools
import re
import shutil
import signal
import subprocess
import sys
import time

import keras
import numpy as np
import pytest
import tensorflow as tf
import torch
from image_files import mounted
from safetensors import safe_open
from safetensors.numpy import load_file, save_file
from training_runs import everything, keras_run, nothing, torch_run

from course_utils import load_checkpoint, save_checkpoint, train
from course_utils.training import NonFiniteError

RUNS = pytest.mark.parametrize("make_run", [torch_run, keras_run])


@RUNS
def test_a_resumed_training_is_the_uninterrupted_one(make_run, tmp_path):
    step, batches, snapshot, state = make_run(seed=0)
    whole = train(step, batches, 12, snapshot=snapshot, moments=4)
    expected = everything(state, tmp_path)

    path = tmp_path / "folder" / "last.safetensors"
    step, batches, snapshot, state = make_run(seed=0)

    def interrupted(images):
        if batches.position == 7:  # In its seventh step.
            signal.raise_signal(signal.SIGINT)
        return step(images)

    arguments = {"snapshot": snapshot, "moments": 4, "checkpoint": path, "checkpoint_every": 3}
    cut_short = train(interrupted, batches, 12, state=state, **arguments)
    assert cut_short.stopped == "interrupted after step 7"
    assert cut_short.steps == 7

    step, batches, snapshot, state = make_run(seed=99)  # A new process: other weights and noise.
    resumed = train(step, batches, 12, state=state, **arguments | {"snapshot": snapshot})
    assert resumed.values == whole.values
    assert resumed.stopped == whole.stopped == ""
    assert resumed.snapshot_steps == whole.snapshot_steps == [0, 4, 8, 12]
    for one, other in zip(resumed.snapshots, whole.snapshots, strict=True):
        assert np.array_equal(one, other)
    found = everything(state, tmp_path)
    assert found.keys() == expected.keys()
    for key, array in expected.items():
        assert np.array_equal(found[key], array), key
    assert batches.position == 12
    assert [file.name for file in path.parent.iterdir()] == [path.name]

    again = train(step, batches, 12, state=state, **arguments | {"snapshot": snapshot})
    assert again.values == whole.values  # Nothing is left to do, and nothing is done.
    assert again.stopped == ""
    longer = train(step, batches, 13, state=state, **arguments | {"snapshot": snapshot})
    assert longer["loss"].tolist()[:12] == whole["loss"].tolist()
    assert (longer.steps, longer.stopped) == (13, "")


@RUNS
def test_a_checkpoint_before_the_first_step_can_be_loaded(make_run, tmp_path):
    *_, state = make_run(seed=0)
    expected = everything(state, tmp_path)
    *_, other = make_run(seed=1)
    history = load_checkpoint(tmp_path / "compare.safetensors", other)
    assert history.steps == 0
    found = everything(other, tmp_path)
    assert all(np.array_equal(found[key], expected[key]) for key in expected)


def other_architecture(make_run, what):
    """Return a state that differs from `make_run`'s in one thing."""
    *_, state = make_run(seed=1)
    if what == "layer":
        if make_run is torch_run:
            state["net"][4] = torch.nn.Linear(64, 2)
        else:
            state["net"] = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
    elif what == "name":
        state["another"] = state["net"]
    elif what == "optimizer":
        if make_run is torch_run:
            state["optimizer"] = torch.optim.Adam(torch.nn.Linear(3, 3).parameters())
        else:
            state["optimizer"] = keras.optimizers.Adam()
            state["optimizer"].build([tf.Variable(tf.zeros(3))])
    else:
        state["optimizer"] = keras.optimizers.Adam()
    return state


@RUNS
@pytest.mark.parametrize("what", ["layer", "name", "optimizer", "unbuilt"])
def test_another_architecture_is_refused_and_nothing_is_changed(make_run, what, tmp_path):
    if make_run is torch_run and what == "unbuilt":
        what = "optimizer"  # PyTorch's optimisers need no building.
    step, batches, _, state = make_run(seed=0)
    train(step, batches, 2)
    save_checkpoint(tmp_path / "one.safetensors", state)
    other = other_architecture(make_run, what)
    before = everything(other, tmp_path)
    with pytest.raises(ValueError, match=r"one\.safetensors") as caught:
        load_checkpoint(tmp_path / "one.safetensors", other)
    expected = {"layer": "'net'", "name": "'another'"}.get(what, "'optimizer'")
    assert expected in str(caught.value)
    after = everything(other, tmp_path)
    assert all(np.array_equal(after[key], before[key]) for key in before)


@pytest.mark.parametrize("size", [0, 7, 100, -1])
def test_a_damaged_or_missing_checkpoint_is_refused(tmp_path, size):
    path = tmp_path / "one.safetensors"
    model = torch.nn.Linear(20, 20)
    with pytest.raises(OSError, match="is missing or no whole checkpoint"):
        load_checkpoint(path, {"model": model})
    save_checkpoint(path, {"model": model})
    path.write_bytes(path.read_bytes()[:size])
    before = model.weight.detach().clone()
    with pytest.raises(OSError, match="is missing or no whole checkpoint"):
        load_checkpoint(path, {"model": model})
    assert torch.equal(model.weight, before)


def test_a_file_of_other_origin_is_refused(tmp_path):
    save_file({"weights": np.zeros(3)}, tmp_path / "foreign.safetensors")
    with pytest.raises(ValueError, match="is of the version None, not 'gan-course"):
        load_checkpoint(tmp_path / "foreign.safetensors", {"model": torch.nn.Linear(1, 1)})


@pytest.mark.parametrize("name", ["model.pt", "model", "model.safetensors.bak", "model.h5"])
def test_only_safetensors_are_written(tmp_path, name):
    with pytest.raises(
        ValueError, match="must end in .safetensors, but got " + re.escape(repr(name))
    ):
        save_checkpoint(tmp_path / name, {"model": torch.nn.Linear(1, 1)})
    with pytest.raises(ValueError, match="must end in .safetensors"):
        train(lambda _: 1 / 0, nothing, 1, checkpoint=tmp_path / name, state={})
    assert list(tmp_path.iterdir()) == []


def test_only_what_can_be_restored_is_saved(tmp_path):
    with pytest.raises(ValueError, match="Cannot save 'thing' of type dict"):
        save_checkpoint(tmp_path / "one.safetensors", {"thing": {"a": 1}})
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_keeps_the_last_checkpoint_and_the_run(tmp_path):
    with mounted(tmp_path / "disk", "size=100k") as disk:
        path, model = disk / "one.safetensors", torch.nn.Linear(50, 50)
        first = train(lambda _: {"loss": 1.0}, nothing, 2, checkpoint=path, state={"model": model})
        whole = path.read_bytes()
        (disk / "other").write_bytes(bytes(80_000))
        with pytest.raises(OSError, match="No space left.*still in memory") as caught:
            train(lambda _: {"loss": 2.0}, nothing, 9, checkpoint=path, state={"model": model})
        assert caught.value.history["loss"].tolist() == [1, 1] + 7 * [2]
        assert path.read_bytes() == whole
        assert {file.name for file in disk.iterdir()} == {path.name, "other"}
        assert load_checkpoint(path, {"model": model}).steps == first.steps == 2


def test_weights_that_are_not_finite_are_neither_saved_nor_loaded(tmp_path):
    path, model = tmp_path / "one.safetensors", torch.nn.Linear(2, 2)
    train(lambda _: {"loss": 0.0}, nothing, 3, checkpoint=path, state={"model": model})
    whole = path.read_bytes()

    def step(_):
        with torch.no_grad():
            model.weight[0, 0] = np.nan
        return {"loss": 0.0}

    with pytest.raises(NonFiniteError, match="'model' holds values that are not finite") as caught:
        train(step, nothing, 9, checkpoint=path, state={"model": model})
    assert caught.value.history.steps == 9
    assert path.read_bytes() == whole

    arrays, metadata = load_file(path), safe_open(path, "numpy").metadata()
    arrays["state/model/weight"][1, 1] = np.inf
    save_file(arrays, path, metadata)
    with pytest.raises(ValueError, match="not finite: state/model/weight"):
        load_checkpoint(path, {"model": torch.nn.Linear(2, 2)})


# --- kills -------------------------------------------------------------------------------------


SAVE_FOREVER = """
import sys
import numpy as np
from course_utils.training import History, save_checkpoint

class Variable:
    def assign(self, value): ...
    def __array__(self, dtype=None, copy=None):
        return self.value

thing = Variable()
for number in range(10**6):
    thing.value = np.full(2_000_000, number, np.float64)
    save_checkpoint(sys.argv[1], {"thing": thing}, History({"loss": [float(number)]}, steps=1))
    print(number, flush=True)
"""


def test_a_killed_process_leaves_the_last_whole_checkpoint(tmp_path):
    """Kill -9 at random moments; what is there is always whole and at most one save behind."""
    path = tmp_path / "one.safetensors"
    moments = np.random.default_rng(0).uniform(0, 0.2, 6)
    for moment in moments:
        command = [sys.executable, "-c", SAVE_FOREVER, str(path)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
            child.stdout.readline()
            time.sleep(moment)
            child.kill()
            printed = [int(line) for line in child.stdout]
        arrays = load_file(path)
        number = arrays["state/thing/0"][0]
        assert (arrays["state/thing/0"] == number).all()
        assert arrays["values/loss"].tolist() == [number]
        assert number in (max(printed, default=0), max(printed, default=0) + 1)
        shutil.rmtree(tmp_path)
        tmp_path.mkdir()


@pytest.mark.parametrize(
    ("steps", "every", "expected"),
    [
        (6, {"checkpoint_every": 3}, [3, 6]),  # The last one is not written twice.
        (7, {"checkpoint_every": 3}, [3, 6, 7]),
        (1001, {}, [500, 1000, 1001]),
    ],
)
def test_a_checkpoint_is_written_at_its_steps_and_at_the_end(
    steps, every, expected, tmp_path, monkeypatch
):
    saved = []
    monkeypatch.setattr(
        "course_utils.training.loop.save_checkpoint",
        lambda path, state, history: saved.append(history.steps),
    )
    path, state = tmp_path / "one.safetensors", {"model": torch.nn.Linear(1, 1)}
    train(lambda _: {"loss": 0}, nothing, steps, checkpoint=path, state=state, **every)
    assert saved == expected


def test_a_run_that_is_interrupted_twice_counts_all_its_steps(tmp_path):
    path, state = tmp_path / "one.safetensors", {"model": torch.nn.Linear(1, 1)}

    def until(last):
        numbers = itertools.count(1)

        def step(_):
            if next(numbers) == last:
                signal.raise_signal(signal.SIGINT)
            return {"loss": 0.0}

        return train(step, nothing, 9, checkpoint=path, state=state)

    assert until(2).stopped == "interrupted after step 2"
    second = until(3)
    assert (second.steps, second.stopped) == (5, "interrupted after step 5")
    last = until(9)
    assert (last.steps, last.stopped) == (9, "")


def test_bfloat16_is_saved_exactly_and_keeps_its_kind(tmp_path):
    path = tmp_path / "one.safetensors"
    model = torch.nn.Linear(3, 2).bfloat16()
    optimizer = torch.optim.Adam(model.parameters())
    model(torch.ones(1, 3, dtype=torch.bfloat16)).sum().backward()
    optimizer.step()
    variable = tf.Variable([1.5, 0.1], dtype=tf.bfloat16)
    save_checkpoint(path, {"model": model, "optimizer": optimizer, "variable": variable})
    other = torch.nn.Linear(3, 2).bfloat16()
    other_optimizer = torch.optim.Adam(other.parameters())
    other_variable = tf.Variable([0.0, 0], dtype=tf.bfloat16)
    names = {"model": other, "optimizer": other_optimizer, "variable": other_variable}
    load_checkpoint(path, names)
    assert other.weight.dtype == torch.bfloat16
    assert torch.equal(other.weight, model.weight)
    for one, same in zip(optimizer.state.values(), other_optimizer.state.values(), strict=True):
        assert one.keys() == same.keys()
        assert all(torch.equal(one[key], same[key]) for key in one)
    assert (other_variable.numpy() == variable.numpy()).all()
