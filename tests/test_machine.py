"""Cores, memory and pace, on machines that this one is not."""

import io
import math
import os
from types import SimpleNamespace

import pytest
import torch
from joblib.externals.loky.backend import context

import tensorflow as tf  # isort: skip
from course_utils import machine

BOTH = {"PyTorch": torch, "TensorFlow": tf}
V2 = "/sys/fs/cgroup/cpu.max"
V1 = "/sys/fs/cgroup/cpu/cpu.cfs_"


@pytest.fixture
def pretend(monkeypatch):
    """Return a function that makes this process see other cores, affinity and cgroup files."""

    def change(files, cores=64, affinity=64):
        exists = os.path.exists
        monkeypatch.delenv("LOKY_MAX_CPU_COUNT", raising=False)
        monkeypatch.setattr(os, "cpu_count", lambda: cores)
        monkeypatch.setattr(os, "sched_getaffinity", lambda _: range(affinity), raising=False)
        monkeypatch.setattr(context, "open", lambda path: io.StringIO(files[path]), raising=False)
        monkeypatch.setattr(
            os.path,
            "exists",
            lambda path: path in files if str(path).startswith("/sys/fs/cgroup") else exists(path),
        )

    return change


@pytest.mark.parametrize(
    ("files", "cpus"),
    [
        ({}, 64),
        ({V2: "max 100000\n"}, 64),
        ({V2: "150000 100000\n"}, 2),
        ({V2: "10000 100000\n"}, 1),
        ({V2: "20000000 100000\n"}, 64),
        ({f"{V1}quota_us": "150000\n", f"{V1}period_us": "100000\n"}, 2),
        ({f"{V1}quota_us": "-1\n", f"{V1}period_us": "100000\n"}, 64),
    ],
)
def test_threads_follow_the_quota_of_a_container(pretend, files, cpus):
    pretend(files)
    assert machine.cpus() == cpus
    assert machine.cpus_without_quota() == 64
    pretend(files, affinity=1)
    assert machine.cpus() == machine.cpus_without_quota() == 1


def test_a_quota_that_cannot_be_read_is_none(pretend, monkeypatch):
    pretend({V2: "many 100000\n"})
    assert machine.cpus() == 64
    pretend({})
    monkeypatch.setenv("LOKY_MAX_CPU_COUNT", "many")
    assert machine.cpus() == 64


def test_cpus_are_the_least_of_cores_affinity_and_quota(pretend, rng):
    for cores, affinity, quota in rng.integers(1, 100, (50, 3)) / (1, 1, 7):
        affinity = min(cores, affinity)
        pretend({V2: f"{round(quota * 1e5)} 100000"}, int(cores), int(affinity))
        assert machine.cpus() == min(cores, affinity, math.ceil(round(quota * 1e5) / 1e5))


def test_cpus_without_an_affinity(monkeypatch):
    """As on macOS and Windows."""
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    assert machine.cpus_without_quota() == os.cpu_count()
    assert 1 <= machine.cpus() <= os.cpu_count()


@pytest.mark.parametrize("limit", ["max\n", "8589934592\n", "9223372036854771712\n", None])
def test_memory_follows_the_limit_of_a_container(monkeypatch, tmp_path, limit):
    path = tmp_path / "memory.max"
    if limit:
        path.write_text(limit)
    total = SimpleNamespace(total=16 * 2**30)
    monkeypatch.setattr(machine.psutil, "virtual_memory", lambda: total)
    monkeypatch.setattr(machine, "MEMORY_LIMITS", (str(tmp_path / "none"), str(path)))
    assert machine.memory() == (8 if limit == "8589934592\n" else 16) * 2**30


# --- pace --------------------------------------------------------------------------------------


class Clock:
    """A clock that only work moves."""

    def __init__(self, durations):
        self.now, self.calls, self.durations = 0.0, 0, durations

    def perf_counter(self):
        return self.now

    def work(self):
        self.now += self.durations[min(self.calls, len(self.durations) - 1)]
        self.calls += 1


@pytest.mark.parametrize(
    ("durations", "best", "calls"),
    [
        ((0.0625,), 0.0625, 16),  # As often as fits, the warm-up included.
        ((0.5, 0.25, 0.125, 0.25), 0.125, 4),  # Other load only adds.
        ((0.125, 0.5, 0.5), 0.5, 3),  # The warm-up does not count, however fast.
        ((100.0, 30.0), 30.0, 2),  # A machine under load: no third run.
    ],
)
def test_a_measurement_keeps_to_its_budget(monkeypatch, durations, best, calls):
    clock = Clock(durations)
    monkeypatch.setattr(machine, "time", clock)
    assert machine.best_time(clock.work, budget=1.0) == best
    assert clock.calls == calls


def test_four_budgets_leave_room_for_late_runs_in_three_tenths_of_a_second():
    assert machine.BUDGET <= 0.2


@pytest.mark.parametrize(("run", "rounds"), [(0.001, machine.ROUNDS), (0.5, 1)])
def test_all_works_are_measured_in_rounds_within_the_budget(monkeypatch, run, rounds):
    """A burst of other load hits all works or none; a slow machine makes one round."""
    clock, order = Clock((run,)), []

    def work(name):
        def do():
            order.append(name)
            clock.work()

        return do

    works = {name: work(name) for name in ("product", "convolution")}
    monkeypatch.setattr(machine, "time", clock)
    monkeypatch.setattr(machine, "torch_work", lambda _: works)
    seconds = machine.measure({"PyTorch": None})
    assert seconds == {("PyTorch", name): pytest.approx(run) for name in works}
    blocks = [name for name, before in zip(order, [None, *order], strict=False) if name != before]
    assert blocks == list(works) * rounds
    assert clock.now <= max(machine.BUDGET * 1.2, 2 * len(works) * run)


def test_a_burst_of_other_load_is_not_taken_for_the_machine(monkeypatch):
    clock = Clock((0.05,) * 3 + (0.001,))  # Until the second work of the first round.
    monkeypatch.setattr(machine, "time", clock)
    monkeypatch.setattr(
        machine, "torch_work", lambda _: dict.fromkeys(("product", "convolution"), clock.work)
    )
    for taken in machine.measure({"PyTorch": None}).values():
        assert taken == pytest.approx(0.001)


def test_both_frameworks_do_the_same_work():
    ours, theirs = machine.torch_work(torch), machine.tensorflow_work(tf)
    product = ours["product"]().numpy()
    assert product.shape == (machine.SIDE, machine.SIDE)
    assert (product == machine.SIDE).all()
    assert (theirs["product"]().numpy() == product).all()
    maps = ours["convolution"]().permute(0, 2, 3, 1).numpy()
    assert maps.shape == (machine.BATCH, machine.PIXELS // 2, machine.PIXELS // 2, machine.MAPS_OUT)
    assert maps.max() == machine.MAPS_IN * machine.KERNEL**2  # Inside; less at the border.
    assert (theirs["convolution"]().numpy() == maps).all()


def test_measuring_times_all_four_and_moves_no_seed():
    torch.manual_seed(3)
    tf.random.set_seed(3)
    expected = torch.rand(2).tolist(), tf.random.uniform([2]).numpy().tolist()
    torch.manual_seed(3)
    tf.random.set_seed(3)
    seconds = machine.measure(BOTH, budget=0.0)
    assert seconds.keys() == machine.REFERENCE_SECONDS.keys()
    assert all(0 < taken < math.inf for taken in seconds.values())
    assert (torch.rand(2).tolist(), tf.random.uniform([2]).numpy().tolist()) == expected


def test_what_cannot_be_measured_is_left_out():
    seconds = machine.measure({"PyTorch": object(), "TensorFlow": tf}, budget=0.0)
    assert {framework for framework, _ in seconds} == {"TensorFlow"}
    assert machine.pace(seconds) > 0
    assert machine.measure({}) == {}
    assert machine.pace({}) is None


def test_pace_is_one_on_the_reference_and_scales():
    reference = machine.REFERENCE_SECONDS
    assert machine.pace(reference) == 1
    assert machine.pace({key: 3 * taken for key, taken in reference.items()}) == pytest.approx(3)
    one, *others = reference
    mixed = {one: 5 * reference[one], **{key: reference[key] for key in others}}
    assert machine.pace(mixed) == pytest.approx(2)


@pytest.mark.parametrize(
    ("factor", "sentence"),
    [
        (3.46, "about × 3.5, slower than two"),
        (1.26, "about × 1.3, slower than two"),
        (1.04, "about × 1.0, as fast as two"),
        (0.96, "about × 1.0, as fast as two"),
        (0.64, "about × 0.6, faster than two"),
        (0.01, "about × 0.1, faster than two"),
        (9.96, "about × 10, slower than two"),
        (41.7, "about × 42, slower than two"),
        (None, "are those of two cores"),
    ],
)
def test_the_pace_is_told_with_two_digits(factor, sentence):
    told = machine.describe_pace(factor)
    assert told.startswith("Chapters' minutes ")
    assert sentence in told
    assert machine.REFERENCE in told
    if factor:
        assert " for TensorFlow, " in machine.describe_pace(factor, ["TensorFlow"])
