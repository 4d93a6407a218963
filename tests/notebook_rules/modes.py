"""The mode of a network: a function that draws or measures leaves it as it was.

A PyTorch network that stays in inference mode trains on without batch statistics, and no error
tells: its pictures only come out worse.
"""

import ast

from notebook_rules.cells import code_cells, tree_of


def functions_leave_a_network_in_its_mode(book):
    """A function that calls `G.eval()` calls `G.train(...)`, too."""
    for cell in code_cells(book):
        for function in ast.walk(tree_of(cell)):
            if isinstance(function, ast.FunctionDef):
                switched, restored = (_owners(function, way) for way in ("eval", "train"))
                for owner in sorted(switched - restored):
                    yield f"{function.name} leaves {owner} in inference mode"


def _owners(function, method):
    """Return what a method of this name is called on: {"G"} for `G.eval()`."""
    return {
        ast.unparse(node.func.value)
        for node in ast.walk(function)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == method
    }


RULES = (functions_leave_a_network_in_its_mode,)
