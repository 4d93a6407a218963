"""A notebook that runs once and not twice fails, and so does one that mixes devices."""

import re

import nbformat
import pytest

LEFT_BEHIND = ["if 'x' not in globals():\n    y = 1", "x = y\ndel y"]
MIXED = [
    "from course_utils import setup\nruntime = setup(seed=0)\nimport torch",
    "network = torch.nn.Linear(2, 1).to(runtime.torch_device)",
    "network(torch.zeros(3, 2))",
    "network(torch.zeros(3, 2).to(runtime.torch_device))",
    "network.weight.detach().numpy()",
    "network.weight.detach().cpu().numpy()",
]
TRAINED = [
    "import itertools\nfrom course_utils import check, train",
    "check('before', 1, at_least=1)",
    "history = train(lambda _: {'loss': 1.0}, itertools.repeat(None), 50)",
    "assert history.steps == 50",
    "check('steps', history.steps, at_least=50)",
]


def notebook(sources, ignored=()):
    """Return a notebook whose outputs count for nothing: its cells were never executed."""
    cells = [nbformat.v4.new_code_cell(source) for source in sources]
    for number in ignored:
        cells[number].metadata["tags"] = ["nbval-ignore-output"]
    return nbformat.v4.new_notebook(cells=cells)


@pytest.fixture(scope="module")
def books():
    return {
        "left_behind": notebook(LEFT_BEHIND),
        "mixed": notebook(MIXED),
        "trained": notebook(TRAINED, ignored=[2]),
        "unmarked": notebook(TRAINED),
    }


def test_what_a_second_run_finds(books, tmp_path, nbval):
    for name, book in books.items():
        nbformat.write(book, tmp_path / f"{name}.ipynb")
    child = nbval(tmp_path)
    failed = re.findall(r"^FAILED .*?(\w+)\.ipynb::(.*?)(?: - |$)", child.stdout, re.MULTILINE)
    assert failed == [(name, "second run") for name in ("left_behind", "mixed", "unmarked")]
    cells = re.findall(r"^cell (\d+), .*?: (\w+Error)", child.stdout, re.MULTILINE)
    assert cells == [
        ("1", "NameError"),
        ("2", "RuntimeError"),
        ("4", "TypeError"),
        ("3", "AssertionError"),
    ]


def test_a_single_cell_has_no_second_run(books, tmp_path, nbval):
    path = tmp_path / "one.ipynb"
    nbformat.write(books["left_behind"], path)
    child = nbval(f"{path}::Cell 0")
    assert child.stdout.splitlines()[-1].startswith("1 passed")
