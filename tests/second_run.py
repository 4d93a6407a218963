"""A notebook's second run, in the kernel that nbval ran it in, on a stand-in for an accelerator.

No cell may depend on what a first run has not left, and none may give a network on an accelerator
a tensor of the CPU. Trainings are cut short: that they succeed, the first run has shown.
"""

from pathlib import Path

import pytest
from nbval.plugin import IPyNbCell

# A notebook that imports no framework needs no device.
INSTALL = f"""
import sys
if "torch" in sys.modules:
    sys.path.insert(0, {str(Path(__file__).resolve().parent)!r})
    import accelerator
    accelerator.install()
"""
# The notebook's own import finds these functions. With snapshots a training takes just enough
# steps to have as many as the notebook asks for. After it a check's bounds need not hold.
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
PATIENCE = 1800  # Seconds for one cell, on the slowest machine.


class SecondRun(pytest.Item):
    """All cells of a notebook again; comes after its last one."""

    cells = ()

    def runtest(self):
        """Run every cell, whatever fails, and tell all failures."""
        for source in (INSTALL, SHORT_TRAINING):
            assert _error_of(self.parent.kernel, source) is None
        problems = []
        after_training = False
        for cell in self.cells:
            error = _error_of(self.parent.kernel, cell.cell.source)
            # A cell after a training may check it, and the training was too short to pass.
            if error and not (after_training and error.startswith("AssertionError")):
                problems.append(f"cell {cell.cell_num}, {cell.cell.source[:60]!r}: {error}")
            after_training = not cell.options["check"]
        if problems:
            raise SecondRunError("\n".join(problems))

    def repr_failure(self, excinfo):
        """Show what failed, without the lines of this file."""
        if isinstance(excinfo.value, SecondRunError):
            return str(excinfo.value)
        return super().repr_failure(excinfo)

    def reportinfo(self):
        """Name the item in a report."""
        return self.path, None, f"{self.path.name}: {self.name}"


class SecondRunError(Exception):
    """Cells that ran once do not run again."""


def add_second_runs(items):
    """Put a second run behind the last cell of each notebook all of whose cells are to run."""
    cells_of = {}
    for item in items:
        if isinstance(item, IPyNbCell):
            cells_of.setdefault(item.parent, []).append(item)
    for notebook, cells in cells_of.items():
        if len(cells) == sum(cell.cell_type == "code" for cell in notebook.nb.cells):
            again = SecondRun.from_parent(notebook, name="second run")
            again.cells = cells
            items.insert(items.index(cells[-1]) + 1, again)


def _error_of(kernel, source):
    """Run code in nbval's kernel; return the error that it raised, if any."""
    message = kernel.execute_cell_input(source, allow_stdin=False)
    kernel.await_reply(message, timeout=PATIENCE)
    error = None
    while True:
        reply = kernel.get_message("iopub", timeout=PATIENCE)
        if reply["parent_header"].get("msg_id") != message:
            continue
        if reply["msg_type"] == "error":
            error = f"{reply['content']['ename']} {reply['content']['evalue']}"
        if reply["content"].get("execution_state") == "idle":
            return error
