"""Small questions about pieces of Python."""

import ast


def computes(node):
    """Whether an expression computes something, other than in a function that it makes."""
    inside = {id(n) for f in ast.walk(node) if isinstance(f, ast.Lambda) for n in ast.walk(f)}
    return any(isinstance(n, ast.Call) and id(n) not in inside for n in ast.walk(node))


def names_in(node):
    """Return the names that are mentioned."""
    return {n.id for n in ast.walk(node) if isinstance(n, ast.Name)}


def is_stored(node):
    """Whether a name, attribute or subscript is bound here."""
    return isinstance(getattr(node, "ctx", None), ast.Store) and not isinstance(
        node, ast.Tuple | ast.List | ast.Starred
    )


def root_of(node):
    """Return the name that an attribute, subscript or call starts from."""
    while isinstance(node, ast.Attribute | ast.Subscript | ast.Call | ast.Starred):
        node = node.func if isinstance(node, ast.Call) else node.value
    return node.id if isinstance(node, ast.Name) else None


def is_table(node, width):
    """Whether an expression lists rows of this many columns."""
    rows = node.elts if isinstance(node, ast.Tuple | ast.List) else []
    return rows and all(isinstance(r, ast.Tuple | ast.List) and len(r.elts) == width for r in rows)


def is_tiny(constant):
    """Whether a factor makes everything nothing."""
    return abs(constant.value) < 1e-6
