"""An ignored cell is followed at once by a compared one that checks what the ignored one made.

nbval compares nothing of an ignored cell. Its results are held to bounds by the next code cell: a
caption may stand between them, and no other code.
"""

from notebook_rules.cells import IGNORE, code_cells, first_line, tags, tree_of
from notebook_rules.flow import Flow
from notebook_rules.values import LIVE, Made


def ignored_cells_are_checked(book):
    """The next cell is compared, and checks what each statement that trained has made."""
    cells, checks, made = code_cells(book), {}, {}
    flow = Flow()
    for index, cell in enumerate(cells):
        before = len(flow.checks)
        made[index] = flow.read(index, tree_of(cell), IGNORE in tags(cell))
        checks[index] = flow.checks[before:]
    for index, cell in enumerate(cells):
        if IGNORE not in tags(cell):
            continue
        following = cells[index + 1] if index + 1 < len(cells) else None
        if following is None or IGNORE in tags(following) or not following.outputs:
            yield f"no compared output right after: {cell.source[:60]!r}"
            continue
        reached = frozenset().union(*(check.value for check in checks[index + 1]))
        for result in made[index]:
            if result not in reached:
                yield f"no check right after depends on what this made: {result.what!r}"
        if not made[index]:
            yield f"makes nothing that could be checked: {cell.source[:60]!r}"


def bounds_are_fixed(book):
    """No bound depends on what is measured: a value always keeps a bound that moves with it."""
    flow = Flow()
    for index, cell in enumerate(code_cells(book)):
        flow.read(index, tree_of(cell), IGNORE in tags(cell))
    for check in flow.checks:
        if any(label == LIVE or isinstance(label, Made) for label in check.bounds):
            yield f"a bound that is measured: {first_line(check.call)!r}"


RULES = (ignored_cells_are_checked, bounds_are_fixed)
