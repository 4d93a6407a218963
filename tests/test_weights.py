"""The trained networks that ship with the course: small, whole, and drawn from by a chapter."""

from importlib.resources import files
from pathlib import Path

import nbformat
import numpy as np
import pytest
from safetensors.numpy import load_file

WEIGHTS = Path(str(files("course_utils") / "weights"))
SHIPPED = sorted(WEIGHTS.glob("*.safetensors"))
NOTEBOOKS = Path(__file__).resolve().parents[1] / "notebooks"
MOST_BYTES = 3_500_000  # All of them together: they travel with each clone and each wheel.


def test_they_are_small():
    assert sum(path.stat().st_size for path in SHIPPED) <= MOST_BYTES
    assert (WEIGHTS / "infogan_mnist.safetensors").stat().st_size <= 1_500_000


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_every_number_is_finite(path):
    arrays = load_file(path)
    assert arrays
    assert [name for name, array in arrays.items() if not np.isfinite(array).all()] == []


@pytest.mark.parametrize(
    ("name", "chapter"),
    [
        ("generator_digits", "00_start_here"),
        ("generator_street", "00_start_here"),
        ("infogan_mnist", "08_infogan"),
    ],
)
def test_a_chapter_draws_from_each_generator(name, chapter):
    path = WEIGHTS / f"{name}.safetensors"
    book = nbformat.read(NOTEBOOKS / f"{chapter}.ipynb", as_version=4)
    assert any(path.name in cell.source for cell in book.cells if cell.cell_type == "code")


def test_each_generator_belongs_to_a_chapter():
    assert {path.stem for path in SHIPPED} == {
        "digit_features",
        "generator_digits",
        "generator_street",
        "infogan_mnist",
    }
