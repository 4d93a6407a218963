"""Print how long each chapter is: ``python tools/chapters.py [notebook ...]``.

A row has the words of prose, the lines of code that are neither folded nor blank, the place of the
first cell that shows a picture, the share of cells with output that nbval compares, and minutes: to
run, as the first cell tells; of the tasks, each of which tells its own as "(about 5 minutes)"; to
study, computed from words, running and tasks; and to study, as the first cell tells.
"""

import argparse
import re
import sys
from pathlib import Path

import nbformat
from build import is_folded

IGNORE = "nbval-ignore-output"
WORD = re.compile(r"\b\w+")
WORDS_A_MINUTE = 130  # Read to be understood, in a second language.
MINUTES = re.compile(
    r"^About (\d+) minutes? (?:to run )?on two CPU cores(?:, about (\d+) minutes to study)?\.",
    re.MULTILINE,
)
TASK = re.compile(r"\(about (\d+) minutes?\)")
COLUMNS = {
    "words": 7,
    "code lines": 12,
    "first picture": 15,
    "compared": 10,
    "run": 5,
    "tasks": 7,
    "study": 7,
    "told": 6,
}


def words(cell):
    """Return how many words of prose a cell has."""
    return len(WORD.findall(cell.source)) if cell.cell_type == "markdown" else 0


def code_lines(cell):
    """Return how many lines of code a reader sees: of a folded cell none."""
    if cell.cell_type != "code" or is_folded(cell):
        return 0
    return sum(bool(line.strip()) for line in cell.source.splitlines())


def task_minutes(cell):
    """Return how many minutes the tasks of a cell take, as it says."""
    return sum(map(int, TASK.findall(cell.source))) if cell.cell_type == "markdown" else 0


def shows_picture(cell):
    """Whether a cell has stored a picture."""
    kinds = [kind for output in cell.get("outputs", []) for kind in output.get("data", {})]
    return any(kind.startswith("image/") for kind in kinds)


def told_minutes(book):
    """Return the minutes to run and to study that the first cell tells; None for what it lacks."""
    found = MINUTES.search(book.cells[0].source)
    return tuple(number and int(number) for number in found.groups()) if found else (None, None)


def study_minutes(book):
    """Return the minutes to study a chapter: to read it, to run it, and for its tasks."""
    return sum(minutes_of_cells(book))


def minutes_of_cells(book):
    """Return the minutes to study each cell; the running is that of the ignored cells, alike."""
    minutes = [words(cell) / WORDS_A_MINUTE + task_minutes(cell) for cell in book.cells]
    trainings = [
        place
        for place, cell in enumerate(book.cells)
        if IGNORE in cell.metadata.get("tags", []) and cell.cell_type == "code"
    ]
    places = trainings or [0]
    for place in places:
        minutes[place] += (told_minutes(book)[0] or 0) / len(places)
    return minutes


def measures(book):
    """Return a chapter's row: a text for each column."""
    pictures = [place for place, cell in enumerate(book.cells, start=1) if shows_picture(cell)]
    shown = [cell for cell in book.cells if cell.get("outputs")]
    compared = sum(IGNORE not in cell.metadata.get("tags", []) for cell in shown)
    run, told = told_minutes(book)
    values = (
        sum(map(words, book.cells)),
        sum(map(code_lines, book.cells)),
        pictures[0] if pictures else "-",
        f"{compared / len(shown):.0%}" if shown else "-",
        "-" if run is None else run,
        sum(map(task_minutes, book.cells)),
        f"{study_minutes(book):.0f}",
        "-" if told is None else told,
    )
    return dict(zip(COLUMNS, map(str, values), strict=True))


def table(books):
    """Return the lines of the table; ``books`` maps a chapter's name to its notebook."""
    wide = max(map(len, books), default=0)
    yield " " * wide + "".join(f"{name:>{width}}" for name, width in COLUMNS.items())
    for name, book in books.items():
        row = measures(book)
        yield f"{name:{wide}}" + "".join(f"{row[key]:>{width}}" for key, width in COLUMNS.items())


def main(arguments=None):
    """Run the command line."""
    parser = argparse.ArgumentParser(
        prog="python tools/chapters.py", description=__doc__.partition("\n\n")[2]
    )
    parser.add_argument("notebooks", nargs="*", type=Path, help="all in notebooks/ if left out")
    paths = parser.parse_args(arguments).notebooks or sorted(Path("notebooks").glob("*.ipynb"))
    if not paths:
        parser.error("no notebooks in ./notebooks: run it from the repository's root, or name one")
    books = {}
    for path in paths:
        try:
            books[path.stem] = nbformat.read(path, as_version=4)
        except (OSError, ValueError) as error:
            sys.exit(f"error: {path}: {error}")
    print("\n".join(table(books)))


if __name__ == "__main__":
    main()
