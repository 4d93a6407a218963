"""Seeds, devices, threads, exact arithmetic, and the table that setup() shows."""

import re
from html import escape
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from course_utils import machine, runtime, setup
from course_utils.runtime import FrameworkInfo, Runtime


def draw():
    import random

    import tensorflow as tf
    import torch

    return (
        random.random(),
        np.random.rand(3).tolist(),
        torch.randn(3).tolist(),
        tf.random.normal([3]).numpy().tolist(),
        tf.keras.initializers.GlorotUniform()((2, 2)).numpy().tolist(),
    )


def test_seeds_reproduce_every_generator_and_differ(displayed):
    numbers = {}
    for seed in (0, 1, np.int64(0), 2**32 - 1):
        displayed(setup, seed)
        numbers.setdefault(int(seed), []).append(draw())
    assert numbers[0][0] == numbers[0][1]
    for one, other in zip(numbers[0][0], numbers[1][0], strict=True):
        assert one != other


@pytest.mark.parametrize("seed", [-1, 2**32, 1.0, "0", None, True])
def test_bad_seeds_are_refused(seed):
    with pytest.raises(ValueError, match=re.escape(f"from 0 to 2**32 - 1, but got {seed!r}")):
        setup(seed)


def test_setup_shows_the_table_once_and_says_how_fast_this_machine_is(displayed):
    found = []
    bundles = displayed(lambda: found.append(setup()))
    assert len(bundles) == 1
    assert set(bundles[0]) == {"text/plain", "text/html"}
    assert bundles[0]["text/html"].count("<tr>") == 5  # head, two frameworks, two notes
    assert found[0].pace > 0
    assert escape(machine.describe_pace(found[0].pace)) in bundles[0]["text/html"]


def test_setup_survives_a_measurement_that_fails(displayed, monkeypatch):
    def fail(work, budget):
        raise OSError("no clock")

    monkeypatch.setattr(machine, "best_time", fail)
    bundles = displayed(setup)
    assert "none was measured" in bundles[0]["text/html"]


def test_setup_computes_in_float32(displayed):
    """TF32 is off in both frameworks, whoever switched it on and by which switch."""
    import tensorflow as tf
    import torch

    torch.backends.fp32_precision = "tf32"
    torch.backends.cudnn.conv.fp32_precision = "tf32"
    torch.set_float32_matmul_precision("medium")
    tf.config.experimental.enable_tensor_float_32_execution(True)
    displayed(setup)
    backends = torch.backends
    assert torch.get_float32_matmul_precision() == "highest"
    assert not backends.cuda.matmul.allow_tf32
    assert not backends.cudnn.allow_tf32
    exact = {"ieee", "none"}
    for switch in (backends, backends.cuda.matmul, backends.cudnn, backends.cudnn.conv):
        assert switch.fp32_precision in exact
    assert {backends.cudnn.rnn.fp32_precision, backends.mkldnn.matmul.fp32_precision} <= exact
    with backends.cudnn.flags(enabled=False):
        pass  # It reads every switch, and refuses a mixture of old and new ones.
    assert not tf.config.experimental.tensor_float_32_execution_enabled()


# --- threads -----------------------------------------------------------------------------------

VARIABLES = ("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS")


class Threads:
    """Both frameworks' settings of threads; TensorFlow refuses once it runs."""

    def __init__(self, torch_default=64, running=False):
        self.torch, self.intra, self.inter, self.running = torch_default, 0, 0, running
        self.config = SimpleNamespace(threading=self)

    def get_num_threads(self):
        return self.torch

    def set_num_threads(self, count):
        self.torch = count

    def get_intra_op_parallelism_threads(self):
        return self.intra

    def get_inter_op_parallelism_threads(self):
        return self.inter

    def set_intra_op_parallelism_threads(self, count):
        if self.running and count != self.intra:
            raise RuntimeError("Intra op parallelism cannot be modified after initialization.")
        self.intra = count

    def set_inter_op_parallelism_threads(self, count):
        self.inter = count


@pytest.mark.parametrize(
    ("variables", "torch_default", "expected"),
    [
        ({}, 64, (2, 2, 2)),
        ({}, 1, (1, 2, 2)),  # Never raised.
        ({"OMP_NUM_THREADS": "5"}, 5, (5, 2, 2)),
        ({"TF_NUM_INTRAOP_THREADS": "7", "TF_NUM_INTEROP_THREADS": "3"}, 64, (2, 7, 3)),
        (dict.fromkeys(VARIABLES, "many"), 64, (2, 2, 2)),
        (dict.fromkeys(VARIABLES, "0"), 64, (2, 2, 2)),
        (dict.fromkeys(VARIABLES, ""), 64, (2, 2, 2)),
    ],
)
def test_threads_are_lowered_to_our_cpus_unless_the_user_says_how_many(
    monkeypatch, variables, torch_default, expected
):
    monkeypatch.setattr(machine, "cpus", lambda: 2)
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    threads = Threads(torch_default)
    for _ in range(2):  # A set-up cell is run again.
        runtime._claim_threads(threads, threads)
        assert (threads.torch, threads.intra, threads.inter) == expected
        threads.running = True


def test_threads_of_a_tensorflow_that_runs_already_are_shown_as_they_are(monkeypatch):
    monkeypatch.setattr(machine, "cpus", lambda: 2)
    monkeypatch.setattr(machine, "cpus_without_quota", lambda: 48)
    monkeypatch.delenv("TF_NUM_INTRAOP_THREADS", raising=False)
    threads = Threads(running=True)
    runtime._claim_threads(threads, threads)
    assert threads.intra == 0
    assert runtime._inspect_tensorflow(fake_tensorflow(""))[1].threads == 48
    monkeypatch.setenv("TF_NUM_INTRAOP_THREADS", "3")
    assert runtime._inspect_tensorflow(fake_tensorflow(""))[1].threads == 3


def test_both_frameworks_use_the_threads_that_the_table_shows(run_python):
    """One CPU by quota; then setup() again with two, which TensorFlow cannot follow any more."""
    code = f"""
import os, joblib
for name in {VARIABLES}:
    os.environ.pop(name, None)
joblib.cpu_count = lambda: 1
from course_utils import setup
rows = setup().frameworks
import tensorflow as tf, torch
assert torch.get_num_threads() == tf.config.threading.get_intra_op_parallelism_threads() == 1
joblib.cpu_count = lambda: 2
print([row.threads for row in rows], [row.threads for row in setup().frameworks])
"""
    child = run_python(code)
    assert child.returncode == 0, child.stderr
    assert child.stdout.splitlines()[-1] == "[1, 1] [1, 1]"


# --- machines that this one is not -----------------------------------------------------------


def fake_torch(kind):
    import torch

    return SimpleNamespace(
        __version__="2.14.1+cu130",
        device=torch.device,
        get_num_threads=lambda: 2,
        cuda=SimpleNamespace(
            is_available=lambda: kind == "cuda",
            get_device_properties=lambda _: SimpleNamespace(name="H200", total_memory=139 * 2**30),
        ),
        backends=SimpleNamespace(mps=SimpleNamespace(is_available=lambda: kind == "mps")),
    )


def fake_tensorflow(kind, claimed=None):
    def set_memory_growth(gpu, value):
        if kind == "running":
            raise RuntimeError("Physical devices cannot be modified after being initialized")
        claimed.append((gpu, value))

    return SimpleNamespace(
        __version__="2.21.0",
        config=SimpleNamespace(
            threading=SimpleNamespace(get_intra_op_parallelism_threads=lambda: 0),
            list_physical_devices=lambda _: ["card"] if kind else [],
            experimental=SimpleNamespace(
                get_device_details=lambda _: {"device_name": "H200"} if kind == "named" else {},
                set_memory_growth=set_memory_growth,
            ),
        ),
    )


@pytest.mark.parametrize(
    ("kind", "device", "name", "memory"),
    [
        ("cuda", "cuda", "H200", "139 GB"),
        ("mps", "mps", "Apple GPU", None),
        ("", "cpu", "CPU", None),
    ],
)
def test_what_pytorch_sees(kind, device, name, memory):
    found, row = runtime._inspect_torch(fake_torch(kind))
    assert found.type == device
    assert (row.device, row.version, row.threads) == (name, "2.14.1", 2)
    assert row.memory == (memory or runtime._main_memory())


@pytest.mark.parametrize(
    ("kind", "device", "name"),
    [("named", "/GPU:0", "H200"), ("nameless", "/GPU:0", "GPU"), ("", "/CPU:0", "CPU")],
)
def test_what_tensorflow_sees(kind, device, name):
    found, row = runtime._inspect_tensorflow(fake_tensorflow(kind))
    assert (found, row.device) == (device, name)
    assert row.threads >= 1


def test_tensorflow_takes_gpu_memory_as_it_needs_it():
    claimed = []
    runtime._claim_gpus(fake_tensorflow("named", claimed))
    assert claimed == [("card", True)]
    runtime._claim_gpus(fake_tensorflow("running"))  # Too late to claim, but no reason to stop.


@pytest.mark.parametrize(
    ("torch_name", "tf_name", "note"),
    [
        ("CPU", "CPU", "No GPU is needed"),
        ("H200", "H200", "Both frameworks train on the accelerator"),
        ("H200", "CPU", "Only PyTorch sees the accelerator"),
        ("CPU", "H200", "Only TensorFlow sees the accelerator"),
    ],
)
def test_the_note_says_how_the_devices_match(torch_name, tf_name, note):
    rows = (
        FrameworkInfo("PyTorch", "2.14.1", torch_name, 2, "8 GB"),
        FrameworkInfo("TensorFlow", "2.21.0", tf_name, 2, "8 GB"),
    )
    found = Runtime(0, None, "", rows)
    assert found.note.startswith(note)
    paced = Runtime(0, None, "", rows, 1.3)
    on_cpu = [row.framework for row in rows if row.device == "CPU"]
    if len(on_cpu) == 1:  # The other one trains on an accelerator, which was not measured.
        assert f"about × 1.3 for {on_cpu[0]}, slower than" in paced._repr_html_()
    else:
        assert "about × 1.3, slower than" in paced._repr_html_()
    assert note in found._repr_html_()


def test_nbval_blanks_exactly_the_cells_that_differ_between_machines():
    from nbval.plugin import get_sanitize_patterns

    patterns = get_sanitize_patterns((Path(__file__).parent / "sanitize.cfg").read_text("utf-8"))
    pages = []
    texts = []
    for version, device, threads, memory, pace in (
        ("2.14.1", "CPU", 2, "8 GB", 1.3),
        ("3.0.0rc1", "A <big> & long name", 64, "139 GB", None),
    ):
        rows = tuple(
            FrameworkInfo(name, version, device, threads, memory)
            for name in ("PyTorch", "TensorFlow")
        )
        runtime = Runtime(0, None, "", rows, pace)
        page, text = runtime._repr_html_(), repr(runtime)
        for pattern, replacement in patterns:
            page, text = (re.sub(pattern, replacement, shown) for shown in (page, text))
        pages.append(page)
        texts.append(text)
    assert pages[0] == pages[1]
    assert pages[0].count("MACHINE") == 8
    assert pages[0].count("VERSION") == 2
    assert texts == 2 * ["Ready: PyTorch VERSION, TensorFlow VERSION, seed 0."]
