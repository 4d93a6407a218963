"""A picture of what was trained is not compared with the stored one.

Two processors agree within the bounds of the checks, and draw other samples: to a perceptual hash
they are other pictures. So a cell that shows them is an ignored one.
"""

import ast

from chapters import shows_picture

from notebook_rules.cells import IGNORE, code_cells, first_line, tags, tree_of
from notebook_rules.flow import Flow
from notebook_rules.syntax import is_stored, root_of

DEFINITIONS = ast.FunctionDef | ast.ClassDef | ast.Import | ast.ImportFrom


def pictures_of_results_are_ignored(book):
    """No compared cell shows a picture of what an ignored one trained."""
    results, flow = set(), Flow()
    for index, cell in enumerate(code_cells(book)):
        tree, ignored = tree_of(cell), IGNORE in tags(cell)
        flow.read(index, tree, ignored)
        compared_picture = shows_picture(cell) and not ignored
        for statement in tree.body:
            if isinstance(statement, DEFINITIONS):
                continue
            nodes = list(ast.walk(statement))
            bound = {node.id for node in nodes if isinstance(node, ast.Name) and is_stored(node)}
            read = {n.id for n in nodes if isinstance(n, ast.Name) and not is_stored(n)} - bound
            if compared_picture and read & results:
                yield f"a compared picture of {sorted(read & results)}: {first_line(statement)!r}"
            if read & results or (ignored and flow.trains(statement)):
                results |= bound | {root_of(node) for node in nodes if is_stored(node)} - {None}
            else:
                results -= bound


RULES = (pictures_of_results_are_ignored,)
