"""Run a whole notebook with its trainings cut short, on a stand-in for an accelerator."""

from pathlib import Path

import nbformat
from nbclient import NotebookClient
from notebook_rules import IGNORE, code_cells, tags

INSTALL = f"""
import sys
sys.path.insert(0, {str(Path(__file__).resolve().parent)!r})
import accelerator
accelerator.install()
"""
# The notebook's own import finds these functions. With snapshots a training takes just enough
# steps to have as many as the notebook asks for. After it a check's bounds need not hold; that they
# do is for nbval to find.
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


def problems(book, folder, times=1):
    """Run a notebook's code cells in one kernel, once or more; name the cells that fail."""
    cells = code_cells(book)
    # A cell after a training may check it, and the training was too short to pass.
    may_fail = [False] + [IGNORE in tags(cell) for cell in cells[:-1]]
    sources = [INSTALL, SHORT_TRAINING] + times * [cell.source for cell in cells]
    run = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(s) for s in sources])
    NotebookClient(
        run,
        timeout=1800,
        kernel_name="python3",
        allow_errors=True,
        resources={"metadata": {"path": str(folder)}},
    ).execute()
    return [
        f"run {1 + index // len(cells)}, code cell {index % len(cells)}, {cell.source[:60]!r}: "
        f"{output.ename} {output.evalue}"
        for index, cell in enumerate(run.cells[2:])
        for output in cell.outputs
        if output.output_type == "error"
        and not (output.ename == "AssertionError" and may_fail[index % len(cells)])
    ]
