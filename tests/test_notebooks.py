"""Every notebook keeps every rule, and every rule can fail."""

import subprocess
import sys
from pathlib import Path

import nbformat
import notebook_rules
import pytest
from notebook_rules import IGNORE, RULES

ROOT = Path(__file__).resolve().parents[1]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
v4 = nbformat.v4


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook(path, rule):
    assert list(rule(nbformat.read(path, as_version=4))) == []


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_valid_and_small(path):
    nbformat.validate(nbformat.read(path, as_version=4))
    assert path.stat().st_size < 2_000_000


@pytest.mark.parametrize("command", [["check"], ["format", "--check"]], ids=lambda c: c[0])
def test_code_is_clean(command):
    places = ["notebooks", "course_utils", "tests", "conftest.py"]
    ruff = [sys.executable, "-m", "ruff", *command, "--no-cache", *places]
    child = subprocess.run(ruff, cwd=ROOT, capture_output=True, text=True)
    assert child.returncode == 0, child.stdout + child.stderr


# --- tests of the rules ------------------------------------------------------------------------


def good():
    """Return a notebook that keeps every rule: set-up, training, check, and facts."""
    frame = (
        "# Learn a thing\n\nAbout 1 minute on two CPU cores.\n\n**You will** see.\n\n**You need** "
    )
    ends = "## Common failures\n\n## Recap\n\n## Further reading"
    sources = ["from course_utils import setup\n\nruntime = setup(seed=0)", "train()", "check()"]
    sources += [f"print({n})" for n in range(4)]
    book = v4.new_notebook(cells=[v4.new_markdown_cell(frame)])
    for count, source in enumerate(sources, start=1):
        output = v4.new_output("stream", text=f"{count}\n")
        cell = v4.new_code_cell(source, execution_count=count, outputs=[output])
        book.cells.append(cell)
    book.cells[2].metadata["tags"] = [IGNORE]
    data = {"image/png": "abc", "text/plain": "Two curves that cross."}
    book.cells[4].outputs = [v4.new_output("display_data", data)]
    book.cells.append(v4.new_markdown_cell(ends))
    return book


def test_a_good_notebook_keeps_every_rule():
    assert [breach for rule in RULES for breach in rule(good())] == []


def output(text="x", name="stdout"):
    return [v4.new_output("stream", text=text, name=name)]


def described_as(text):
    return [v4.new_output("display_data", {"image/png": "abc", "text/plain": text})]


BREACHES = [
    ("executed_in_order", 3, {"execution_count": None}),
    ("executed_in_order", 3, {"execution_count": 7}),
    ("no_tags_but_ignore", 3, {"metadata": {"tags": ["nbval-skip"]}}),
    ("no_tags_but_ignore", 3, {"metadata": {"tags": ["raises-exception"]}}),
    ("no_tags_but_ignore", 0, {"metadata": {"tags": ["mine"]}}),
    ("no_tags_but_ignore", 3, {"source": "# NBVAL_SKIP\nprint(1)"}),
    ("no_tags_but_ignore", 3, {"source": "print(1)  # NBVAL_IGNORE_OUTPUT"}),
    ("ignored_cells_are_checked", 3, {"outputs": []}),
    ("ignored_cells_are_checked", 3, {"metadata": {"tags": [IGNORE]}}),
    ("ignored_cells_are_checked", 7, {"metadata": {"tags": [IGNORE]}}),
    ("most_outputs_are_compared", 4, {"metadata": {"tags": [IGNORE]}}),
    ("nothing_went_wrong", 3, {"outputs": output(name="stderr")}),
    ("nothing_went_wrong", 3, {"outputs": [v4.new_output("error", ename="E", evalue="wrong")]}),
    ("cells_are_short", 3, {"source": "print(1)\n" * 26}),
    ("set_up_is_short", 1, {"source": "setup()\n" * 9}),
    ("set_up_is_short", 1, {"source": "import torch"}),
    ("nothing_of_this_machine", 3, {"outputs": output("/home/me/data")}),
    ("nothing_of_this_machine", 3, {"outputs": output("<thing at 0x7f0000000000>")}),
    ("nothing_of_this_machine", 3, {"source": "open('/tmp/me')"}),
    ("the_frame_is_there", 0, {"source": "No title"}),
    ("the_frame_is_there", 8, {"source": "## Common failures\n\n## Further reading"}),
    ("pictures_are_described", 4, {"outputs": described_as("<Figure size 640x480>")}),
    ("pictures_are_described", 4, {"outputs": described_as("")}),
]


@pytest.mark.parametrize(("name", "index", "change"), BREACHES)
def test_each_rule_finds_its_breach(name, index, change):
    book = good()
    for key, value in change.items():
        book.cells[index][key] = nbformat.from_dict(value)
    assert list(getattr(notebook_rules, name)(book))


def test_each_rule_is_tested():
    assert {name for name, *_ in BREACHES} == {rule.__name__ for rule in RULES}
