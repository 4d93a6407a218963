"""What a notebook must keep so that `pytest --nbval` means something, and a reader finds his way.

Each rule takes a notebook and yields the breaches it finds, in words.
"""

import re

from build import FORBIDDEN

IGNORE = "nbval-ignore-output"
SECTIONS = ("**You will**", "**You need**", "Common failures", "Recap", "Further reading")
MARKER = re.compile(r"#\s*(PYTEST_VALIDATE_\w+|NBVAL_\w+)")


def code_cells(book):
    return [cell for cell in book.cells if cell.cell_type == "code"]


def tags(cell):
    return cell.metadata.get("tags", [])


def executed_in_order(book):
    counts = [cell.execution_count for cell in code_cells(book)]
    if counts != list(range(1, len(counts) + 1)):
        yield f"execution counts are {counts}: run tools/build.py execute"


def no_tags_but_ignore(book):
    for cell in book.cells:
        for tag in set(tags(cell)) - {IGNORE}:
            yield f"tag {tag!r}"
        if cell.cell_type == "code" and (marker := MARKER.search(cell.source)):
            yield f"comment {marker[0]!r}"


def ignored_cells_are_checked(book):
    cells = code_cells(book)
    for cell, following in zip(cells, [*cells[1:], None], strict=True):
        if IGNORE not in tags(cell):
            continue
        if following is None or IGNORE in tags(following) or not following.outputs:
            yield f"no compared output right after: {cell.source[:60]!r}"


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


def set_up_is_short(book):
    first = code_cells(book)[0].source
    lines = [line for line in first.splitlines() if line.strip()]
    if "setup(" not in first:
        yield "the first code cell does not call setup()"
    if len(lines) > 8:
        yield f"the set-up cell has {len(lines)} lines"


def nothing_of_this_machine(book):
    texts = [cell.source for cell in book.cells]
    for cell in code_cells(book):
        for output in cell.outputs:
            texts.append(output.get("text", ""))
            texts += [v for k, v in output.get("data", {}).items() if k.startswith("text/")]
    for what, pattern in FORBIDDEN.items():
        yield from (f"{what}: {match[0]!r}" for text in texts if (match := pattern.search(text)))
    if "widgets" in book.metadata:
        yield "widget state"


def the_frame_is_there(book):
    if book.cells[0].cell_type != "markdown" or not book.cells[0].source.startswith("# "):
        yield "the first cell is no title"
    prose = "\n".join(cell.source for cell in book.cells if cell.cell_type == "markdown")
    if not re.search(r"About [\w ]*(minutes?|seconds) on two CPU cores", prose):
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


RULES = (
    executed_in_order,
    no_tags_but_ignore,
    ignored_cells_are_checked,
    most_outputs_are_compared,
    nothing_went_wrong,
    cells_are_short,
    set_up_is_short,
    nothing_of_this_machine,
    the_frame_is_there,
    pictures_are_described,
)
