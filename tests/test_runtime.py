"""Devices, seeds, the order of imports, and a quiet cell."""

import importlib.util
import re
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from course_utils import runtime, setup
from course_utils.runtime import FrameworkInfo, Runtime

TRAIN_IN_BOTH = """
import keras, tensorflow as tf, torch
layer = torch.nn.Linear(2, 1)
optimizer = torch.optim.Adam(layer.parameters())
layer(torch.ones(1, 2)).sum().backward()
optimizer.step()

@tf.function
def double(x):
    return 2 * x

assert double(tf.constant(1.0)) == 2
keras.optimizers.Adam().build([tf.Variable(1.0)])
"""


def test_importing_the_package_imports_no_framework(run_python):
    child = run_python(
        "import sys, course_utils\n"
        "print([n for n in ('torch', 'tensorflow', 'keras', 'sklearn') if n in sys.modules])"
    )
    assert (child.stdout, child.stderr) == ("[]\n", "")


def test_setup_first_is_safe_and_quiet(run_python):
    child = run_python("from course_utils import setup\nsetup()\n" + TRAIN_IN_BOTH)
    assert child.returncode == 0, child.stderr
    # Outside a notebook the table is one line; nothing else may reach the cell.
    assert re.fullmatch(r"Ready: PyTorch [\d.]+, TensorFlow [\d.]+, seed 0\.\n", child.stdout)
    assert child.stderr == ""


def test_setup_works_when_standard_error_is_closed(run_python):
    """As it is under nbval."""
    child = run_python("import os\nos.close(2)\nfrom course_utils import setup\nsetup()")
    assert child.returncode == 0
    assert child.stdout.startswith("Ready:")


def test_tensorflow_first_is_refused_where_it_would_crash(run_python):
    child = run_python("import tensorflow\nfrom course_utils import setup\nsetup()")
    last_line = child.stderr.strip().splitlines()[-1] if child.returncode else ""
    if importlib.util.find_spec("triton"):
        assert child.returncode == 1
        assert last_line.startswith("RuntimeError: TensorFlow was imported before setup().")
        assert "Restart the kernel" in last_line
    else:  # The CPU build of PyTorch brings no triton, so either order works.
        assert child.returncode == 0


@pytest.mark.parametrize("triton_imported", [True, False])
@pytest.mark.parametrize("triton_there", [True, False])
@pytest.mark.parametrize("tensorflow_imported", [True, False])
def test_only_the_crashing_order_is_refused(
    monkeypatch, tensorflow_imported, triton_there, triton_imported
):
    modules = {"tensorflow": tensorflow_imported, "triton": triton_imported}
    imported = {name for name, there in modules.items() if there}
    util = SimpleNamespace(find_spec=lambda name: triton_there or None)
    monkeypatch.setattr(runtime, "sys", SimpleNamespace(modules=imported))
    monkeypatch.setattr(runtime, "importlib", SimpleNamespace(util=util))
    if tensorflow_imported and triton_there and not triton_imported:
        with pytest.raises(RuntimeError, match="Restart the kernel"):
            runtime._refuse_unsafe_import_order()
    else:
        runtime._refuse_unsafe_import_order()


def test_a_broken_framework_is_one_clear_error(run_python, tmp_path):
    (tmp_path / "torchvision.py").write_text(
        "import os\nos.write(2, b'undefined symbol')\nraise OSError('wrong build')"
    )
    child = run_python("from course_utils import setup\nsetup()")
    assert "ImportError: A framework could not be imported: wrong build." in child.stderr
    assert "install command" in child.stderr
    assert "undefined symbol" in child.stderr


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


def test_setup_shows_the_table_once(displayed):
    bundles = displayed(setup)
    assert len(bundles) == 1
    assert set(bundles[0]) == {"text/plain", "text/html"}
    assert bundles[0]["text/html"].count("<tr>") == 4  # head, two frameworks, note


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
    assert note in found._repr_html_()


def test_nbval_blanks_exactly_the_cells_that_differ_between_machines():
    from nbval.plugin import get_sanitize_patterns

    patterns = get_sanitize_patterns((Path(__file__).parent / "sanitize.cfg").read_text())
    pages = []
    for device, threads, memory in (("CPU", 2, "8 GB"), ("A <big> & long name", 64, "139 GB")):
        rows = tuple(
            FrameworkInfo(name, "2.14.1", device, threads, memory)
            for name in ("PyTorch", "TensorFlow")
        )
        page = Runtime(0, None, "", rows)._repr_html_()
        for pattern, replacement in patterns:
            page = re.sub(pattern, replacement, page)
        pages.append(page)
    assert pages[0] == pages[1]
    assert pages[0].count("MACHINE") == 7
    assert "2.14.1" in pages[0]
