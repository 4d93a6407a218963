"""What a reader sees of a notebook: order, frame, size, pictures, and nothing of the author's."""

import ast
import base64
import io
import re
import tokenize

import numpy as np
from build import METADATA, PROGRESS_BAR
from PIL import Image, UnidentifiedImageError
from private import forbidden

from notebook_rules.cells import FOLDED, IGNORE, code_cells, tags, texts_of, tree_of

SECTIONS = ("**You will**", "**You need**", "Common failures", "Recap", "Further reading")
BLANK = 1.0  # Standard deviation of grey levels, as in conftest.py; a thin curve has 15.
SMALLEST = 16  # Pixels.
OPENING, SHOWING = {"subplots", "figure", "subplot_mosaic"}, {"show_figure", "close"}
MARKER = re.compile(r"#\s*(PYTEST_VALIDATE_\w+|NBVAL_\w+)")


def executed_in_order(book):
    counts = [cell.execution_count for cell in code_cells(book)]
    if counts != list(range(1, len(counts) + 1)):
        yield f"execution counts are {counts}: run tools/build.py execute"


def no_tags_but_ignore(book):
    for cell in book.cells:
        for tag in set(tags(cell)) - {IGNORE}:
            yield f"tag {tag!r}"
        for key in set(cell.metadata) - {"tags"}:
            if cell.cell_type != "code" or {key: cell.metadata[key]} != FOLDED:
                yield f"metadata {key!r}: {cell.metadata[key]}"
        if cell.cell_type not in ("code", "markdown"):
            yield f"a {cell.cell_type} cell, which nothing runs"
        if cell.cell_type == "code" and (marker := MARKER.search(cell.source)):
            yield f"comment {marker[0]!r}"


def most_outputs_are_compared(book):
    shown = [cell for cell in code_cells(book) if cell.outputs]
    compared = [cell for cell in shown if IGNORE not in tags(cell)]
    if len(compared) < 0.8 * len(shown):
        yield f"only {len(compared)} of {len(shown)} cells with output are compared"


def nothing_went_wrong(book):
    for cell in code_cells(book):
        for output in cell.outputs:
            if output.output_type == "error" or output.get("name") == "stderr":
                yield f"{output.get('text') or output.get('evalue')!r}"


def cells_are_short(book):
    for cell in code_cells(book):
        if len(cell.source.splitlines()) > 25:
            yield f"{len(cell.source.splitlines())} lines: {cell.source[:60]!r}"


def figures_are_shown_where_they_are_opened(book):
    """JupyterLab shows what is open at the end of a cell, finished or not."""
    for cell in code_cells(book):
        called = set(_called(tree_of(cell).body))
        if called & OPENING and not called & SHOWING:
            yield f"a figure stays open at the end of its cell: {cell.source[:60]!r}"


def _called(nodes):
    """Yield the names that are called outside functions, `subplots` for `plt.subplots`."""
    for node in nodes:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef, ast.Lambda)):
            continue
        if isinstance(node, ast.Call):
            yield getattr(node.func, "attr", getattr(node.func, "id", ""))
        yield from _called(ast.iter_child_nodes(node))


def set_up_is_short(book):
    first = code_cells(book)[0].source
    lines = [line for line in first.splitlines() if line.strip()]
    if "setup(" not in first:
        yield "the first code cell does not call setup()"
    if len(lines) > 8:
        yield f"the set-up cell has {len(lines)} lines"


def nothing_of_this_machine(book):
    texts = [cell.source for cell in book.cells if cell.cell_type != "code"]
    for cell in code_cells(book):
        texts += texts_of(cell)
        if any(PROGRESS_BAR.search(text) for text in texts_of(cell)):
            yield "a progress bar with this machine's seconds"
        nodes = ast.walk(tree_of(cell))
        texts += [n.value for n in nodes if isinstance(getattr(n, "value", None), str)]
        texts += _comments(cell.source)
    yield from (f"{what}: {found!r}" for text in texts for what, found in forbidden(text))
    if "widgets" in book.metadata:
        yield "widget state"


def _comments(source):
    try:
        pieces = list(tokenize.generate_tokens(io.StringIO(source).readline))
    except (tokenize.TokenError, SyntaxError):
        return [source]
    return [piece.string for piece in pieces if piece.type == tokenize.COMMENT]


def opening_changes_nothing(book):
    """JupyterLab marks a notebook as changed if the kernel says otherwise of itself than the file.

    It says its version of Python, too: there another one than the author's is no breach.
    """
    stored = {key: dict(value) for key, value in book.metadata.items() if isinstance(value, dict)}
    wanted = {key: dict(value) for key, value in METADATA.items()}
    for metadata in (stored, wanted):
        if not metadata.get("language_info", {}).pop("version", ""):
            yield "no version of Python"
    if stored != wanted or set(book.metadata) != set(METADATA):
        yield f"metadata {dict(book.metadata)}: run tools/build.py normalise"
    if (book.nbformat, book.nbformat_minor) != (4, 5):
        yield f"format {book.nbformat}.{book.nbformat_minor}"
    if len({cell.get("id") for cell in book.cells} - {None}) != len(book.cells):
        yield "cells without an id of their own"


def the_frame_is_there(book):
    if book.cells[0].cell_type != "markdown" or not book.cells[0].source.startswith("# "):
        yield "the first cell is no title"
    prose = "\n".join(cell.source for cell in book.cells if cell.cell_type == "markdown")
    if not re.search(r"About [\w ]*(minutes?|seconds) (to run )?on two CPU cores", prose):
        yield "no line says how long it takes"
    for section in SECTIONS:
        if section.strip("*") not in prose:
            yield f"no {section!r}"


def pictures_are_described(book):
    for cell in code_cells(book):
        for output in cell.outputs:
            data = output.get("data", {})
            if any(kind.startswith("image/") for kind in data):
                text = data.get("text/plain", "")
                if len(text.split()) < 3 or text.startswith("<"):
                    yield f"a picture's description is {text!r}"
                if output.metadata.get("image/png", {}).get("alt") != text:
                    yield f"a picture has no `alt`, {text!r}: execute the notebook again"


def pictures_show_something(book):
    """A stored picture can be read and is not of one colour, in ignored cells, too."""
    for cell in code_cells(book):
        for output in cell.outputs:
            for kind in (k for k in output.get("data", {}) if k in ("image/png", "image/jpeg")):
                try:
                    code = base64.b64decode(output.data[kind])
                    grey = np.asarray(Image.open(io.BytesIO(code)).convert("L"))
                except (UnidentifiedImageError, ValueError, OSError):
                    yield f"no picture: {output.data.get('text/plain')!r}"
                    continue
                if grey.std() < BLANK or min(grey.shape) < SMALLEST:
                    yield f"a blank picture: {output.data.get('text/plain')!r}"


RULES = (
    executed_in_order,
    no_tags_but_ignore,
    most_outputs_are_compared,
    nothing_went_wrong,
    cells_are_short,
    figures_are_shown_where_they_are_opened,
    set_up_is_short,
    nothing_of_this_machine,
    the_frame_is_there,
    pictures_are_described,
    pictures_show_something,
    opening_changes_nothing,
)
