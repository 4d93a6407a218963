"""What JupyterLab folds to one line: plumbing, and what an earlier chapter has shown already.

A lesson stays open. So a folded cell defines no network, loss or step, unless an earlier chapter
shows the same cell, letter for letter; the comment lines that it begins with are its own. Chapter
00 draws from what the others build: there any of them may show it. A network that is somebody
else's, restated to be compared, is no lesson of ours: its title says where it comes from.
"""

import ast
import re

from build import is_folded

from notebook_rules.cells import code_cells, tree_of

TITLE = re.compile(r"# (?!noqa\b|type:|fmt:|%%)\S+ \S")  # It says something: two words at least.
RESTATED = re.compile(r"# Restated from https://\S+: \S")
NETWORKS = {"Module", "Model", "Layer", "Sequential"}
LESSON = re.compile(r"make_|\w*_loss|(\w*_)?(loss|losses|step)(_|$)")


def folded_cells_say_what_they_do(book):
    """The first line of a folded cell is all that a reader sees of it."""
    for cell in filter(is_folded, code_cells(book)):
        if not TITLE.match(cell.source):
            yield f"folded, and its first line is no title: {cell.source[:60]!r}"


def nothing_new_is_folded(book, others=()):
    """A lesson is open where it is new; `others` are the chapters that may show it instead."""
    shown = {body_of(cell) for other in others for cell in code_cells(other) if not is_folded(cell)}
    networks = _network_classes(book)
    for cell in filter(is_folded, code_cells(book)):
        if RESTATED.match(cell.source):
            continue
        found = [] if body_of(cell) in shown else list(_lessons(tree_of(cell), networks))
        yield from (f"folded, and no other chapter shows this cell: {name}" for name in found)


def body_of(cell):
    """Return a cell's source without the comment lines that it begins with."""
    return re.sub(r"\A(#[^\n]*(\n|\Z)|\n)+", "", cell.source)


def _network_classes(book):
    """Return the names of what networks derive from: the frameworks' classes and the book's own."""
    networks, before = set(NETWORKS), -1
    while before != len(networks):
        before = len(networks)
        for cell in code_cells(book):
            for node in ast.walk(tree_of(cell)):
                if isinstance(node, ast.ClassDef) and networks & set(map(_last, node.bases)):
                    networks.add(node.name)
    return networks


def _lessons(tree, networks):
    """Yield what a cell defines of networks, losses and steps."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef) and node.name in networks:
            yield f"class {node.name}"
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and LESSON.match(node.name):
            yield f"def {node.name}"
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Lambda):
            yield from (f"{n} = lambda" for n in map(_last, node.targets) if LESSON.match(n))
        if isinstance(node, ast.Call) and _last(node.func) in NETWORKS:
            yield f"{ast.unparse(node.func)}(...)"


def _last(node):
    """Return the last part of a dotted name."""
    return getattr(node, "attr", getattr(node, "id", ""))


RULES = (folded_cells_say_what_they_do,)
