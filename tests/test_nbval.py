"""Tests of the tests: `pytest --nbval` passes on what is stored and fails on any mutation."""

import base64
import importlib.util
import io
import re
from pathlib import Path

import matplotlib.pyplot as plt
import nbformat
import numpy as np
import pytest
from build import execute
from PIL import Image

from course_utils import COLOURS
from course_utils.plots import figure_png

ROOT = Path(__file__).resolve().parents[1]
SPEC = importlib.util.spec_from_file_location("root_conftest", ROOT / "conftest.py")
hooks = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(hooks)
REAL = ROOT / "notebooks" / "00_start_here.ipynb"
v4 = nbformat.v4

CELLS = (
    "print('JSD 0.346574')",
    "2**0.5",
    "import numpy as np\nnp.arange(3.0)",
    "from IPython.display import HTML\nHTML('<b>7 of 8</b>')",
    "from matplotlib import pyplot as plt\nfrom course_utils import show_figure\n"
    "figure, axis = plt.subplots()\naxis.plot([0, 1, 0])\n"
    "show_figure(figure, 'A peak of height 1.')",
    "from course_utils import check\n"
    "check('PyTorch, share 1', 0.73, at_least=0.65, at_most=0.9)\n"
    "check('PyTorch, gap 2', 3e-7, at_most=1e-6)",
)
# What is changed in the stored lines of the two checks, and whether nbval must fail.
CHECKED = 5
CHANGES = {
    "lower": ("0.65", "0.6", True),
    "upper": ("most 0.9", "most 0.8", True),
    "small": ("1e-06", "1e-05", True),
    "word": ("at least", "at most", True),
    "dropped": (" and at most 0.9", "", True),
    "name": ("share 1", "share 2", True),
    "framework": ("PyTorch, gap", "TensorFlow, gap", True),
    "missing": ("PyTorch, gap 2: 3e-07 (at most 1e-06)\n", "", True),
    "text": (": 0.73 (", ": ok (", True),
    "value": ("0.73", "0.7", False),
    "larger": ("0.73", "12345", False),
    "negative": ("0.73", "-0.00012", False),
    "exponent": ("3e-07", "-1.25e+06", False),
}


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """Return a small notebook, executed as an author does."""
    path = tmp_path_factory.mktemp("nbval") / "small.ipynb"
    nbformat.write(v4.new_notebook(cells=[v4.new_code_cell(source) for source in CELLS]), path)
    execute(path)
    return nbformat.read(path, as_version=4)


def other_digit(text):
    """Change one digit: the last one."""
    place = list(re.finditer(r"\d", text))[-1].start()
    return text[:place] + str((int(text[place]) + 1) % 10) + text[place + 1 :]


def mutations(book):
    """Yield (index of the cell, notebook with one digit changed) for each stored text."""
    for index, cell in enumerate(book.cells):
        for number, output in enumerate(cell.get("outputs", [])):
            for kind in [k for k in output.get("data", {"text": 0}) if not k.startswith("image")]:
                copy = nbformat.from_dict(book)
                changed = copy.cells[index].outputs[number]
                place = changed.get("data", changed)
                if re.search(r"\d", place[kind]):
                    place[kind] = other_digit(place[kind])
                    yield index, copy


def failed_cells(child):
    return [int(n) for n in re.findall(r"^FAILED .*::Cell (\d+)", child.stdout, re.MULTILINE)]


def png(draw):
    figure, axes = plt.subplots(1, 2, figsize=(8, 3))
    draw(*axes)
    return base64.b64encode(figure_png(figure)).decode()


def test_the_unchanged_notebook_passes_and_each_mutation_fails(small, tmp_path, nbval):
    """One run over all copies: one process of pytest, one kernel a copy.

    Of the line of a check, only the measured number may change.
    """
    nbformat.write(small, tmp_path / "unchanged.ipynb")
    expected = {}
    for number, (index, copy) in enumerate(mutations(small)):
        nbformat.write(copy, tmp_path / f"mutation_{number}.ipynb")
        expected[f"mutation_{number}"] = index
    picture = nbformat.from_dict(small)
    picture.cells[4].outputs[0].data["image/png"] = png(lambda a, b: a.plot([1, 0, 1]))
    nbformat.write(picture, tmp_path / "picture.ipynb")
    expected["picture"] = 4
    assert len(expected) >= 7
    for name, (old, new, fails) in CHANGES.items():
        copy = nbformat.from_dict(small)
        (output,) = copy.cells[CHECKED].outputs
        assert output.text.count(old) == 1
        output.text = output.text.replace(old, new)
        nbformat.write(copy, tmp_path / f"{name}.ipynb")
        if fails:
            expected[name] = CHECKED

    child = nbval(tmp_path)
    found = re.findall(r"^FAILED .*?(\w+)\.ipynb::Cell (\d+)", child.stdout, re.MULTILINE)
    assert {name: int(index) for name, index in found} == expected, child.stdout
    assert len(found) == len(expected)
    assert re.search(r"Picture 1 (has|shows)", child.stdout)


def test_one_changed_digit_of_a_real_notebook_fails(tmp_path, nbval):
    book = nbformat.read(REAL, as_version=4)
    code = [cell for cell in book.cells if cell.cell_type == "code"]
    compared = [
        (number, output)
        for number, cell in enumerate(code)
        for output in cell.outputs
        if not cell.metadata.get("tags") and re.search(r"\d", output.get("text", ""))
    ]
    number, output = compared[0]
    output.text = other_digit(output.text)
    nbformat.write(book, tmp_path / "mutated.ipynb")
    child = nbval(tmp_path / "mutated.ipynb")
    assert failed_cells(child) == [number], child.stdout


# --- pictures ----------------------------------------------------------------------------------

X = np.linspace(-4, 4, 200)


def curves(shift=0.0, lift=0.0, swapped=False, panels_swapped=False, bar=3.0, height=3):
    """Draw a figure such as the chapters have: curves of two colours, and bars."""
    figure, axes = plt.subplots(1, 2, figsize=(9, height), layout="constrained")
    left, right = axes[::-1] if panels_swapped else axes
    names = ("generated", "real") if swapped else ("real", "generated")
    left.plot(X, np.exp(-(X**2)) + lift, color=COLOURS[names[0]], label=names[0])
    left.plot(X, np.exp(-((X - 1 - shift) ** 2)), color=COLOURS[names[1]], label=names[1])
    left.set(title="densities", xlabel="x")
    left.legend()
    right.bar(range(6), [1, 2, bar, 4, 3, 2], color=COLOURS["PyTorch"])
    right.set_title("counts")
    return [Image.open(io.BytesIO(figure_png(figure))).convert("RGB")]


@pytest.mark.parametrize(
    "style",
    [
        {},
        {"font.family": "DejaVu Serif"},
        {"font.size": 10.3},
        {"text.hinting": "none"},
        {"text.antialiased": False},
        {"lines.antialiased": False},
    ],
    ids=str,
)
def test_other_fonts_and_smoothing_pass(style):
    stored = curves()
    with plt.rc_context(style):
        assert hooks.picture_problem(stored, curves()) == ""


@pytest.mark.parametrize(
    "change",
    [
        {"shift": 0.3},
        {"shift": -0.4},
        {"lift": 0.15},
        {"swapped": True},
        {"panels_swapped": True},
        {"bar": 1.5},
    ],
    ids=str,
)
def test_other_content_fails(change):
    problem = hooks.picture_problem(curves(), curves(**change))
    assert "shows something else" in problem


def test_another_size_a_blank_one_and_a_missing_one_fail():
    stored = curves()
    blank = [Image.new("RGB", stored[0].size, "white")]
    assert "pixels" in hooks.picture_problem(stored, curves(height=3.2))
    assert "blank" in hooks.picture_problem(stored, blank)
    assert "blank" in hooks.picture_problem(blank, blank)
    assert "shows 0 pictures, but 1 are stored" in hooks.picture_problem(stored, [])
    assert hooks.picture_problem([], []) == ""
