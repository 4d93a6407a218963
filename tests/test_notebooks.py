"""Every notebook keeps every rule, and every rule can fail."""

import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from build import METADATA
from example_notebooks import BREACHES, CHEATS, HONEST, good, with_cells
from notebook_rules import CHAPTERS, RULES, checked, printed

ROOT = Path(__file__).resolve().parents[1]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
CONFIGURE = {".py", ".pth", ".ini", ".cfg", ".toml"}  # What pytest would read beside a notebook.
BY_NAME = {rule.__name__: rule for rule in RULES}


@pytest.fixture(scope="module", params=NOTEBOOKS, ids=lambda path: path.stem)
def book(request):
    """Read each notebook once."""
    return nbformat.read(request.param, as_version=4)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_notebook(book, rule):
    assert list(rule(book)) == []


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_valid_and_small(path):
    nbformat.validate(nbformat.read(path, as_version=4))
    assert path.stat().st_size < 2_000_000


def test_no_chapter_is_missing_and_none_is_unknown():
    assert tuple(path.stem for path in NOTEBOOKS) == CHAPTERS
    assert [int(name[:2]) for name in CHAPTERS] == list(range(len(CHAPTERS)))


def test_nothing_but_check_lines_and_the_device_table_is_masked():
    assert set(printed.MASKS) == {"machine", "version", "version in text", "check"}
    options = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert "nbval-lax" not in options and "tests/sanitize.cfg" in options
    assert {path.suffix for path in (ROOT / "notebooks").rglob("*.*")} & CONFIGURE == set()


@pytest.mark.parametrize("command", [["check"], ["format", "--check"]], ids=lambda c: c[0])
def test_code_is_clean(command):
    places = ["notebooks", "course_utils", "tools", "tests", "conftest.py"]
    ruff = [sys.executable, "-m", "ruff", *command, "--no-cache", *places]
    child = subprocess.run(ruff, cwd=ROOT, capture_output=True, text=True)
    assert child.returncode == 0, child.stdout + child.stderr


# --- tests of the rules ------------------------------------------------------------------------


def test_a_good_notebook_keeps_every_rule():
    assert [breach for rule in RULES for breach in rule(good())] == []


@pytest.mark.parametrize(("name", "index", "change"), BREACHES)
def test_each_rule_finds_its_breach(name, index, change):
    book = good()
    for key, value in change.items():
        book.cells[index][key] = nbformat.from_dict(value)
    assert list(BY_NAME[name](book))


@pytest.mark.parametrize(("name", "ignored", "following"), CHEATS)
def test_a_cheat_fails(name, ignored, following):
    """A training that is ignored, and a next cell that only seems to check it."""
    assert list(BY_NAME[name](with_cells(ignored, following)))


@pytest.mark.parametrize(("ignored", "following"), HONEST)
def test_an_honest_check_passes(ignored, following):
    book = with_cells(ignored, following)
    assert [breach for rule in checked.RULES for breach in rule(book)] == []


def test_a_check_further_away_fails():
    book = good()
    book.cells.insert(3, book.cells[5])
    assert list(BY_NAME["ignored_cells_are_checked"](book))
    assert list(BY_NAME["ignored_cells_are_checked"](with_cells("history = train(step)", "")))


def test_a_caption_may_stand_between():
    book = good()
    book.cells.insert(3, nbformat.v4.new_markdown_cell("**Figure 1.** A caption."))
    assert list(BY_NAME["ignored_cells_are_checked"](book)) == []


@pytest.mark.parametrize("key", ["kernelspec", "language_info"])
def test_metadata_that_opening_changes_is_found(key):
    rule = BY_NAME["opening_changes_nothing"]
    for change in ({}, {"name": "python"}, {**METADATA[key], "name": "other"}):
        book = good()
        book.metadata[key] = nbformat.from_dict(change)
        assert list(rule(book))
    book = good()
    book.metadata.language_info.version = "3.13.1"
    assert list(rule(book)) == []
    book.metadata["widgets"] = {}
    assert list(rule(book))
    book = good()
    book.nbformat_minor = 4
    assert list(rule(book))


def test_each_rule_is_tested():
    tested = {name for name, *_ in [*BREACHES, *CHEATS]} | {"opening_changes_nothing"}
    assert tested == set(BY_NAME)
