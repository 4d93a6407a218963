"""Each notebook runs twice in one kernel, on a device that mixes nothing.

No cell may depend on what a first run has not left, and none may give a network on an accelerator
a tensor of the CPU. One pair of runs shows both.
"""

from pathlib import Path

import nbformat
import pytest
from short_runs import problems

NOTEBOOKS = sorted((Path(__file__).resolve().parents[1] / "notebooks").glob("*.ipynb"))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs_twice_on_an_accelerator(path):
    assert problems(nbformat.read(path, as_version=4), path.parent, times=2) == []


def test_a_notebook_that_needs_what_it_deleted_fails(tmp_path):
    cells = ["import course_utils", "if 'x' not in globals():\n    y = 1", "x = y\ndel y"]
    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    found = problems(book, tmp_path, times=2)
    assert [problem.partition(", 'x")[0] for problem in found] == ["run 2, code cell 2"]
