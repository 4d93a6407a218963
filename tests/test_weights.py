"""The trained networks that ship with the course: small, whole, and drawn from by chapter 00."""

from importlib.resources import files
from pathlib import Path

import nbformat
import numpy as np
import pytest
from safetensors.numpy import load_file

WEIGHTS = Path(str(files("course_utils") / "weights"))
SHIPPED = sorted(WEIGHTS.glob("*.safetensors"))
NOTEBOOKS = Path(__file__).resolve().parents[1] / "notebooks"
MOST_BYTES = 3_000_000  # All of them together: they travel with each clone and each wheel.


def test_they_are_small():
    assert sum(path.stat().st_size for path in SHIPPED) <= MOST_BYTES


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_every_number_is_finite(path):
    arrays = load_file(path)
    assert arrays
    assert [name for name, array in arrays.items() if not np.isfinite(array).all()] == []


@pytest.mark.parametrize("path", sorted(WEIGHTS.glob("generator_*")), ids=lambda path: path.stem)
def test_chapter_00_draws_from_each_generator(path):
    book = nbformat.read(NOTEBOOKS / "00_start_here.ipynb", as_version=4)
    assert any(path.name in cell.source for cell in book.cells if cell.cell_type == "code")
