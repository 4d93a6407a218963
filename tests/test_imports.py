"""A quiet import in the order that works, and one clear error where none does."""

import importlib.util
import json
import re
import tomllib
from types import SimpleNamespace

import pytest

from course_utils import imports

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
# Raises KeyboardInterrupt while a module is imported, as Ctrl-C or the stop button does.
INTERRUPT_AT = """
import sys

class Stop:
    def find_spec(self, name, path=None, target=None):
        if name == {name!r}:
            sys.meta_path.remove(self)
            raise KeyboardInterrupt

def attempt(function):
    try:
        function()
    except BaseException as error:
        print(type(error).__name__, error, flush=True)

sys.meta_path.insert(0, Stop())
from course_utils import setup
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


def test_setup_works_without_standard_streams(run_python):
    """Standard error is closed under nbval; both are None under pythonw and some servers."""
    code = (
        "import io, os, sys\n"
        "os.close(2)\n"
        "from course_utils import setup\n"
        "sys.stderr = None\n"
        "setup()\n"
        "sys.stderr = io.StringIO()\n"
        "sys.stderr.close()\n"
        "setup()\n"
        "stdout, sys.stdout = sys.stdout, None\n"
        "setup()\n"
        "sys.stdout = io.StringIO()\n"
        "sys.stdout.close()\n"
        "assert setup(7).seed == 7\n"
        "print('done', file=stdout)"
    )
    child = run_python(code)
    assert child.returncode == 0
    lines = child.stdout.splitlines()
    assert [line.partition(":")[0] for line in lines] == ["Ready", "Ready", "done"]


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
    monkeypatch.setattr(imports, "sys", SimpleNamespace(modules=imported))
    monkeypatch.setattr(imports, "importlib", SimpleNamespace(util=util))
    if tensorflow_imported and triton_there and not triton_imported:
        with pytest.raises(RuntimeError, match="Restart the kernel"):
            imports._refuse_unsafe_import_order()
    else:
        imports._refuse_unsafe_import_order()


# --- imports that were cut short ---------------------------------------------------------------


@pytest.mark.parametrize("name", ["torch.nn", "tensorflow.python.ops", "keras.src.layers"])
def test_after_an_interrupted_import_setup_asks_for_a_restart(run_python, name):
    child = run_python(INTERRUPT_AT.format(name=name) + "attempt(setup)\nattempt(setup)")
    first, second = child.stdout.splitlines()
    assert first == "KeyboardInterrupt "
    assert second.startswith("RuntimeError An earlier import of ")
    assert "was interrupted or failed in this kernel (KeyboardInterrupt)" in second
    assert "Restart the kernel" in second
    assert "nstall" not in second


def test_after_an_interrupted_import_of_the_user_setup_asks_for_a_restart(run_python):
    code = INTERRUPT_AT.format(name="torch.nn") + "attempt(lambda: __import__('torch'))\nsetup()"
    child = run_python(code)
    assert child.stdout == "KeyboardInterrupt \n"
    last_line = child.stderr.strip().splitlines()[-1]
    assert last_line.startswith("RuntimeError: An earlier import of torch was interrupted")
    assert "Restart the kernel" in last_line


@pytest.mark.parametrize("close_stderr", [False, True])
def test_a_broken_framework_is_one_clear_error(run_python, tmp_path, close_stderr):
    say = "" if close_stderr else "import os\nos.write(2, b'undefined symbol')\n"
    (tmp_path / "torchvision.py").write_text(f"{say}raise OSError('wrong build')")
    code = INTERRUPT_AT.format(name="nothing") + "attempt(setup)\nattempt(setup)"
    child = run_python(("import os\nos.close(2)\n" if close_stderr else "") + code)
    first, _, second = child.stdout.partition("\nRuntimeError ")
    assert first.startswith("ImportError A framework could not be imported: wrong build.")
    assert imports.SUPPORTED in first
    assert ("undefined symbol" in first) is not close_stderr
    assert "(OSError: wrong build)" in second
    assert "Restart the kernel" in second


def test_a_missing_framework_names_where_the_course_runs(monkeypatch, root):
    util = SimpleNamespace(find_spec=lambda name: None if "tensor" in name else "there")
    monkeypatch.setattr(imports, "importlib", SimpleNamespace(util=util))
    monkeypatch.setattr(imports, "sys", SimpleNamespace(modules={}))
    with pytest.raises(ImportError) as error:
        imports.refuse_what_cannot_work()
    text = str(error.value)
    assert text.startswith("Not installed: tensorflow. This is Python ")
    for part in ("Python 3.11 to 3.13", "Linux", "arm64", "Windows", "macOS", "Intel", "Install"):
        assert part in text
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["requires-python"].startswith(">=3.11")


# --- Keras -------------------------------------------------------------------------------------


def test_keras_on_another_backend_is_one_clear_error(run_python):
    code = "import torch, torchvision, keras\nfrom course_utils import setup\nsetup()"
    child = run_python(code, KERAS_BACKEND="torch")
    last_line = child.stderr.strip().splitlines()[-1]
    assert last_line.startswith("RuntimeError: Keras was imported before setup() and runs on its ")
    assert "backend 'torch'" in last_line
    assert "Restart the kernel" in last_line


def test_setup_outweighs_the_keras_configuration_of_the_user(run_python, tmp_path):
    settings = {"backend": "torch", "floatx": "float64", "image_data_format": "channels_first"}
    (tmp_path / "keras.json").write_text(json.dumps(settings))
    code = (
        "from course_utils import setup\n"
        "setup()\n"
        "import keras\n"
        "layer = keras.layers.Conv2D(3, 1)\n"
        "layer.build((1, 8, 8, 2))\n"
        "print(keras.config.backend(), layer.kernel.dtype, layer.kernel.shape)"
    )
    child = run_python(code, KERAS_HOME=str(tmp_path), KERAS_BACKEND="jax")
    assert child.returncode == 0, child.stderr
    assert child.stdout.splitlines()[-1] == "tensorflow float32 (1, 1, 2, 3)"
