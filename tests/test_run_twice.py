"""Each notebook runs twice in one kernel: no cell depends on what a first run has not left."""

from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient
from notebook_rules import IGNORE, code_cells, tags

NOTEBOOKS = sorted((Path(__file__).resolve().parents[1] / "notebooks").glob("*.ipynb"))

# Training is cut short for this test only: the notebook's own import finds these functions. With
# snapshots it takes just enough steps to have as many as the notebook asks for. After it a check's
# bounds need not hold; that they do is for nbval to find.
SHORT_TRAINING = """
import course_utils

def shorten(long_train, strict_check):
    runs = []

    def train(step, batches, steps, name="training", snapshot=None, moments=8, **options):
        runs.append(name)
        fewest = moments - 1 if snapshot else 3
        return long_train(step, batches, min(steps, fewest), name, snapshot, moments, **options)

    def check(*arguments, **bounds):
        try:
            strict_check(*arguments, **bounds)
        except AssertionError:
            if not runs:
                raise

    return train, check

course_utils.train, course_utils.check = shorten(course_utils.train, course_utils.check)
del shorten
"""


def follows_a_training(cells):
    """Say of each cell whether it checks a training, which was too short to pass."""
    return [False] + [IGNORE in tags(cell) for cell in cells[:-1]]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs_twice_in_one_kernel(path):
    cells = code_cells(nbformat.read(path, as_version=4))
    sources = [SHORT_TRAINING] + 2 * [cell.source for cell in cells]
    may_fail = [False] + 2 * follows_a_training(cells)
    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(s) for s in sources])
    NotebookClient(
        book,
        timeout=170,
        kernel_name="python3",
        allow_errors=True,
        resources={"metadata": {"path": str(path.parent)}},
    ).execute()
    problems = [
        f"run {1 + (index - 1) // len(cells)}, {cell.source[:60]!r}: {output.ename} {output.evalue}"
        for index, cell in enumerate(book.cells)
        for output in cell.outputs
        if output.output_type == "error"
        and not (output.ename == "AssertionError" and may_fail[index])
    ]
    assert problems == []
