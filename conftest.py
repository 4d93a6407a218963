"""What nbval does not do: compare pictures, run again, refuse every network, share out the cores.

nbval compares text and skips PNGs. Here each picture of a compared cell must be there, have the
stored size, show something, and look like the stored one to a perceptual hash: other fonts or
smoothing pass; a moved curve, a changed bar, swapped panels or swapped colours do not.

With `-n auto` (pyproject.toml) notebooks run side by side, each on a worker of its own with its
share of the cores. Two trainings that both use all cores would slow each other down tenfold.
"""

import base64
import importlib.util
import io
import os
from pathlib import Path

import imagehash
import numpy as np
import pytest
from nbval.plugin import IPyNbCell
from PIL import Image

from course_utils.machine import cpus, memory

ROOT = Path(__file__).parent
OFFLINE = ROOT / "tests" / "offline"
PIXELS = 6  # Another font moves the edge of a tightly cut figure by this much.
BLANK = 1.0  # Standard deviation of grey levels, 0 to 255; a single thin curve has 15.
HASH_SIZE = 16
# Of 256 bits, in the part and colour channel that differs most. Measured on eight kinds of figure:
# fonts, hinting and smoothing change up to 22 bits; changes of content at least 40.
BITS = 30
WORKER_MEMORY = 5 * 2**30  # A worker with both frameworks, and the largest notebook's kernel.


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers():
    """For `-n auto`: one worker a core, as many as memory holds; no worker on a single core."""
    workers = min(cpus(), memory() // WORKER_MEMORY)
    return int(workers) if workers > 1 else 0


def pytest_collection_modifyitems(items):
    """Run each notebook again; long jobs first, so that no worker has one left at the end."""
    _load(ROOT / "tests" / "second_run.py").add_second_runs(items)
    items.sort(key=lambda item: item.path.suffix == ".ipynb", reverse=True)


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config):
    """Share the cores among workers; refuse the network here, in child Pythons and in kernels."""
    workers = len(config.getoption("tx", None) or [])
    for name in _load(ROOT / "tools" / "arithmetic.py").THREADS if workers else ():
        os.environ.setdefault(name, str(max(1, cpus() // workers)))
    os.environ.pop("MPLBACKEND", None)  # A kernel takes JupyterLab's, which shows open figures.
    path = os.environ.get("PYTHONPATH")
    if str(OFFLINE) not in (path or "").split(os.pathsep):
        os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, (str(OFFLINE), path)))
    _load(OFFLINE / "sitecustomize.py").refuse_the_network()


def _load(path):
    """Import a file that is on no path here."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def pytest_itemcollected(item):
    """Let each cell of a notebook compare its pictures, too."""
    if isinstance(item, IPyNbCell):
        _compare_pictures_of(item)


def _compare_pictures_of(cell):
    compare_texts = cell.compare_outputs

    def compare(test, ref, skip_compare=None):
        if not compare_texts(test, ref, skip_compare):
            return False
        problem = picture_problem(_pictures(ref), _pictures(test))
        if problem:
            cell.comparison_traceback.append(problem)
        return not problem

    cell.compare_outputs = compare


def _pictures(outputs):
    codes = [output.get("data", {}).get("image/png") for output in outputs]
    return [Image.open(io.BytesIO(base64.b64decode(code))).convert("RGB") for code in codes if code]


def picture_problem(stored, shown):
    """Say how the pictures that a cell shows differ from the stored ones; empty if they do not."""
    if len(stored) != len(shown):
        return f"The cell shows {len(shown)} pictures, but {len(stored)} are stored."
    for number, (old, new) in enumerate(zip(stored, shown, strict=True), start=1):
        if max(abs(a - b) for a, b in zip(old.size, new.size, strict=True)) > PIXELS:
            return f"Picture {number} has {new.size} pixels, but the stored one {old.size}."
        if np.std(new.convert("L")) < BLANK:
            return f"Picture {number} is blank."
        bits = max(map(_distance, _parts(old), _parts(new)))
        if bits > BITS:
            return (
                f"Picture {number} shows something else than the stored one: {bits} of "
                f"{HASH_SIZE**2} bits of the perceptual hash differ, {BITS} may."
            )
    return ""


def _parts(picture):
    """Cut a picture into nearly square parts, such as its panels, and those into channels."""
    width, height = picture.size
    columns, rows = max(1, round(width / height)), max(1, round(height / width))
    for row in range(rows):
        for column in range(columns):
            left, right = (width * edge // columns for edge in (column, column + 1))
            top, bottom = (height * edge // rows for edge in (row, row + 1))
            yield from picture.crop((left, top, right, bottom)).split()


def _distance(one, other):
    return int(imagehash.phash(one, HASH_SIZE) - imagehash.phash(other, HASH_SIZE))
