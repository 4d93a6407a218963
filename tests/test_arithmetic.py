"""The three arithmetics are what their names say."""

import platform
import subprocess
import sys

import pytest
from arithmetic import ARITHMETICS, AVX2_ONLY, environment

REPORT = """
import torch, torchvision
from course_utils import setup
setup()
import tensorflow as tf
from tensorflow.python.util import _pywrap_util_port
print(torch.get_num_threads(), tf.config.threading.get_intra_op_parallelism_threads())
print(torch.backends.cpu.get_cpu_capability(), _pywrap_util_port.IsMklEnabled())
"""


def test_an_arithmetic_is_added_to_what_is_set(monkeypatch):
    monkeypatch.setenv("COURSE_DATA", "here")
    for name, variables in ARITHMETICS.items():
        env = environment(name)
        assert env["COURSE_DATA"] == "here"
        assert variables.items() <= env.items()
    assert AVX2_ONLY.items() <= environment("plain").items()
    with pytest.raises(KeyError):
        environment("fancy")


@pytest.mark.parametrize(
    ("name", "threads"), [("one thread", "1 1"), ("two threads", "2 2"), ("plain", "1 1")]
)
def test_both_frameworks_follow(run_python, name, threads):
    child = run_python(REPORT, **ARITHMETICS[name])
    assert child.returncode == 0, child.stderr
    used, kernels = child.stdout.splitlines()[-2:]
    assert used == threads
    if name == "plain" and platform.machine() in ("x86_64", "AMD64"):
        assert kernels == "AVX2 False"


def test_the_command_runs_another_one_in_an_arithmetic(root):
    code = "import os; print(os.environ['ATEN_CPU_CAPABILITY']); raise SystemExit(3)"
    command = [sys.executable, "tools/arithmetic.py", "plain", "--", sys.executable, "-c", code]
    child = subprocess.run(command, cwd=root, capture_output=True, text=True)
    assert (child.stdout, child.returncode) == ("avx2\n", 3)
