"""Fixtures; and both frameworks, imported in the one order that does not crash."""

import os
import subprocess
import sys
from pathlib import Path

import matplotlib
import numpy as np
import pytest
import torch
import torchvision  # noqa: F401

import tensorflow as tf  # isort: skip
from hypothesis import HealthCheck, settings
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output
from traitlets.config import Config

import course_utils.runtime

matplotlib.use("agg")
course_utils.runtime._style_figures()

# The same inputs in each run. `--hypothesis-profile many` draws thousands of others.
settings.register_profile(
    "course",
    derandomize=True,
    deadline=None,
    database=None,
    max_examples=40,
    suppress_health_check=list(HealthCheck),
)
settings.register_profile(
    "many", settings.get_profile("course"), derandomize=False, max_examples=1000
)
settings.load_profile("course")


def pytest_terminal_summary(terminalreporter):
    """Say how many inputs the property tests tried, where one process ran them (``-n0``)."""
    if tried := sys.modules.get("property_inputs"):
        count = sum(tried.tried.values())
        terminalreporter.line(f"{count:,} inputs tried on {len(tried.tried)} functions")


@pytest.fixture
def rng():
    """Random numbers, the same in each run."""
    torch.manual_seed(0)
    tf.keras.utils.set_random_seed(0)
    return np.random.default_rng(0)


@pytest.fixture
def nbval(root):
    """Run nbval as a maintainer does, on notebooks that lie elsewhere."""

    def run(path):
        command = [sys.executable, "-m", "pytest", "-q", "-n", "0"]
        command += ["-p", "no:cacheprovider", "-p", "conftest"]
        options = ["-c", "pyproject.toml", "--nbval", "--color=no", str(path)]
        # Under these pytest reports at another length, and the tests read its report.
        outer = {"CI", "BUILD_NUMBER", "PYTEST_ADDOPTS"}
        env = {name: value for name, value in os.environ.items() if name not in outer}
        return subprocess.run(
            [*command, *options], cwd=root, env=env, capture_output=True, text=True, timeout=1800
        )

    return run


@pytest.fixture
def run_python(tmp_path):
    """Run code in a child Python; return what it printed, its errors and its exit status."""

    def run(code, **environment):
        return subprocess.run(
            [sys.executable, "-c", code],
            capture_output=True,
            text=True,
            cwd=tmp_path,
            env={**os.environ, **environment},
            timeout=1800,
        )

    return run


@pytest.fixture(scope="session")
def shell(tmp_path_factory):
    """IPython's display machinery, without its files in the user's home."""
    home = str(tmp_path_factory.mktemp("ipython"))
    config = Config({"HistoryManager": {"enabled": False}})
    yield InteractiveShell.instance(config=config, ipython_dir=home)
    InteractiveShell.clear_instance()


@pytest.fixture
def displayed(shell):
    """Return a function that calls another one and returns the bundles that a cell would show."""

    def show(function, *args, **kwargs):
        with capture_output() as captured:
            function(*args, **kwargs)
        return [output.data for output in captured.outputs]

    return show


@pytest.fixture(scope="session")
def root():
    """Return the repository's root."""
    return Path(__file__).resolve().parents[1]
