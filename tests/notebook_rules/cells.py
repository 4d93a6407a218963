"""Cells, their code and their outputs."""

import ast

IGNORE = "nbval-ignore-output"
FOLDED = {"jupyter": {"source_hidden": True}}


def code_cells(book):
    """Return the code cells, in order."""
    return [cell for cell in book.cells if cell.cell_type == "code"]


def tags(cell):
    """Return the tags of a cell."""
    return cell.metadata.get("tags", [])


def tree_of(cell):
    """Return the syntax tree of a cell; an empty one if it is no Python (`plain` reports that)."""
    try:
        return ast.parse(cell.source)
    except SyntaxError:
        return ast.Module([], [])


def texts_of(cell):
    """Return all texts that a cell stores: printed, HTML, SVG, descriptions."""
    texts = [output["text"] for output in cell.outputs if "text" in output]
    for output in cell.outputs:
        data = output.get("data", {})
        texts += [value for kind, value in data.items() if kind.startswith(("text/", "image/svg"))]
    return texts


def calls_of_check(tree):
    """Return the calls of `check`, each with the nodes that it stands in, the innermost first."""
    found = []

    def visit(node, outer):
        if isinstance(node, ast.Call) and getattr(node.func, "id", None) == "check":
            found.append((node, outer))
        for child in ast.iter_child_nodes(node):
            visit(child, (node, *outer))

    visit(tree, ())
    return found


def reporters(book):
    """Return the notebook's functions that call `check`, by name."""
    return {
        node.name: node
        for cell in code_cells(book)
        for node in tree_of(cell).body
        if isinstance(node, ast.FunctionDef) and calls_of_check(node)
    }


def first_line(node):
    """Return the beginning of a node's source, for messages."""
    return ast.unparse(node).splitlines()[0][:70]
