"""Optimisers, schedules and streams go on where they were; broken checkpoints change nothing."""

import json

import keras
import numpy as np
import pytest
import tensorflow as tf
import torch
from safetensors import safe_open
from safetensors.numpy import load_file, save_file
from training_runs import PICTURES, everything, keras_run, nothing, torch_run

from course_utils import load_checkpoint, save_checkpoint, train


def schedules():
    lr = torch.optim.lr_scheduler
    return {
        "linear": lambda adam: lr.LinearLR(adam, 1.0, 0.0, total_iters=10),
        "cosine": lambda adam: lr.CosineAnnealingLR(adam, 10),
        "steps": lambda adam: lr.MultiStepLR(adam, [3, 6]),
        "lambda": lambda adam: lr.LambdaLR(adam, lambda step: 0.9**step),
        "sequence": lambda adam: lr.SequentialLR(
            adam, [lr.ConstantLR(adam, 0.5, 4), lr.ExponentialLR(adam, 0.9)], [4]
        ),
    }


@pytest.mark.parametrize("name", schedules())
@pytest.mark.parametrize("optimizer", [torch.optim.Adam, torch.optim.SGD, torch.optim.Adafactor])
def test_a_schedule_goes_on_where_it_was(tmp_path, name, optimizer):
    def run(seed, lr=0.1):
        torch.manual_seed(seed)
        net = torch.nn.Linear(3, 2)
        adam = optimizer(net.parameters(), lr=lr)
        schedule = schedules()[name](adam)
        rng = np.random.default_rng(seed)
        stream = PICTURES.batches("numpy", 5, seed=0)

        def step(pictures):
            x = torch.from_numpy(pictures[:, 0, :3, 0] + rng.normal(size=(5, 3)).astype("f4"))
            adam.zero_grad()
            loss = net(x).square().sum()
            loss.backward()
            adam.step()
            schedule.step()
            return {"loss": loss, "lr": adam.param_groups[0]["lr"]}

        state = {"net": net, "adam": adam, "schedule": schedule, "z": rng, "stream": stream}
        return step, stream, state

    step, stream, state = run(0)
    whole = train(step, stream, 10)
    expected = everything(state, tmp_path)
    path = tmp_path / "last.safetensors"
    step, stream, state = run(0)
    train(step, stream, 4, checkpoint=path, state=state)
    step, stream, state = run(1, lr=7.0)
    resumed = train(step, stream, 10, checkpoint=path, state=state)
    assert resumed.values == whole.values
    found = everything(state, tmp_path)
    assert all(np.array_equal(found[key], expected[key]) for key in expected)


def test_another_optimiser_is_refused(tmp_path):
    path, net = tmp_path / "one.safetensors", torch.nn.Linear(2, 2)
    save_checkpoint(path, {"it": torch.optim.SGD(net.parameters(), momentum=0.9)})
    with pytest.raises(ValueError, match="'it' does not fit: its kind is torch.optim.sgd.SGD"):
        load_checkpoint(path, {"it": torch.optim.Adam(net.parameters())})
    variable = tf.Variable(1.0)
    adam, slower = keras.optimizers.Adam(beta_1=0.5), keras.optimizers.Adam(beta_1=0.9)
    for one in (adam, slower):
        one.build([variable])
    save_checkpoint(path, {"it": adam})
    with pytest.raises(ValueError, match="its config is .*beta_1': 0.5"):
        load_checkpoint(path, {"it": slower})


def test_what_cannot_be_put_back_leaves_everything_as_it_was(tmp_path):
    path, net, rng = tmp_path / "one.safetensors", torch.nn.Linear(2, 2), np.random.default_rng(0)
    save_checkpoint(path, {"net": net, "z": rng})
    arrays, metadata = load_file(path), safe_open(path, "numpy").metadata()
    save_file(arrays, path, metadata | {"settings": metadata["settings"].replace("inc", "ink")})
    other = torch.nn.Linear(2, 2)
    before = other.weight.detach().clone()
    with pytest.raises(ValueError, match="does not fit"):
        load_checkpoint(path, {"net": other, "z": rng})
    assert torch.equal(other.weight, before)


@pytest.mark.parametrize(
    "change",
    [
        {"steps": None},
        {"steps": 1},
        {"steps": -3},
        {"snapshot_steps": [0]},
        {"snapshot_steps": [0, 9]},
        {"snapshot_steps": "01"},
    ],
)
def test_a_broken_history_is_refused(tmp_path, change):
    path, net = tmp_path / "one.safetensors", torch.nn.Linear(2, 2)
    train(lambda _: {"loss": 0.0}, nothing, 3, snapshot=lambda: net.weight, moments=2,
          checkpoint=path, state={"net": net})  # fmt: skip
    arrays, metadata = load_file(path), safe_open(path, "numpy").metadata()
    settings = json.loads(metadata["settings"]) | change
    save_file(arrays, path, metadata | {"settings": json.dumps(settings)})
    with pytest.raises(ValueError, match="broken history"):
        load_checkpoint(path, {"net": net})


@pytest.mark.parametrize("start", [torch_run, keras_run])
def test_a_checkpoint_with_wrong_bytes_is_loaded_or_named(tmp_path, start):
    """Many slips; nothing but a whole load, or one error and nothing changed."""
    rng = np.random.default_rng(0)
    path = tmp_path / "one.safetensors"
    step, batches, _, state = start(0)
    train(step, batches, 2, checkpoint=path, state=state)
    good = np.frombuffer(path.read_bytes(), np.uint8)
    outcomes, before = set(), everything(state, tmp_path)
    for _ in range(750):
        bad = good[: rng.integers(1, len(good))] if rng.random() < 0.2 else good
        bad = bad.copy()
        places = rng.integers(len(bad), size=rng.integers(1, 5))
        bad[places] = rng.integers(256, size=len(places))
        path.write_bytes(bad.tobytes())
        try:
            load_checkpoint(path, state)
            outcomes.add("loaded")
            before = everything(state, tmp_path)
        except (OSError, ValueError) as error:
            outcomes.add("named")
            assert "one.safetensors" in str(error)
            after = everything(state, tmp_path)
            assert all(np.array_equal(after[key], before[key]) for key in before)
    assert outcomes == {"loaded", "named"}
