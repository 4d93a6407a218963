"""Notebooks for the tests of the rules: a good one, breaches, cheats, and honest checks."""

import base64
import io

import nbformat
from build import METADATA
from notebook_rules import FOLDED, IGNORE
from PIL import Image

v4 = nbformat.v4
TRAINING = 'history = train(step, batches, 10, "PyTorch")'
CHECK = 'check("PyTorch, D(x)", history.mean("D(x)"), at_least=0.5)'
LINE = "PyTorch, D(x): 0.73 (at least 0.5)\n"


def png(picture):
    """Return a picture as a notebook stores it."""
    file = io.BytesIO()
    picture.save(file, "PNG")
    return base64.b64encode(file.getvalue()).decode()


GRADIENT = png(Image.linear_gradient("L"))


def good():
    """Return a notebook that keeps every rule: set-up, training, check, and facts."""
    frame = (
        "# Learn a thing\n\nAbout 1 minute on two CPU cores.\n\n**You will** see.\n\n**You need** "
    )
    ends = "## Common failures\n\n## Recap\n\n## Further reading"
    set_up = "from course_utils import check, setup, train\n\nruntime = setup(seed=0)"
    sources = [set_up, TRAINING, CHECK, *(f"print({n})" for n in range(4))]
    book = v4.new_notebook(
        cells=[v4.new_markdown_cell(frame)], metadata=nbformat.from_dict(METADATA)
    )
    for count, source in enumerate(sources, start=1):
        cell = v4.new_code_cell(source, execution_count=count, outputs=printed(f"{count}\n"))
        book.cells.append(cell)
    book.cells[1].outputs = shown('<td class="machine">2 cores</td>', "text/html")
    book.cells[2].metadata["tags"] = [IGNORE]
    book.cells[3].outputs = printed(LINE)
    book.cells[4].outputs = described_as("Two curves that cross.")
    book.cells.append(v4.new_markdown_cell(ends))
    return book


def with_cells(ignored, following, text="stored\n"):
    """Return a notebook with a network, an ignored cell and the one after it."""
    book = good()
    book.cells[1].source += "\nimport numpy as np\nimport torch\n\n"
    book.cells[1].source += "G, D = torch.nn.Linear(1, 1), torch.nn.Linear(1, 1)\n"
    book.cells[1].source += "step = make_step(G, D)\nimages = load_images('digits')"
    book.cells[2].source, book.cells[3].source = ignored, following
    book.cells[3].outputs = printed(text) if following else []
    return book


def printed(text="x", name="stdout"):
    """Return what a cell stores that prints a text."""
    return [v4.new_output("stream", text=text, name=name)]


def shown(value, kind):
    """Return what a cell stores that displays a value."""
    return [v4.new_output("display_data", {kind: value, "text/plain": "A table of facts."})]


def described_as(text, picture=GRADIENT):
    """Return what a cell stores that shows a picture."""
    data = {"image/png": picture, "text/plain": text}
    return [v4.new_output("display_data", data, metadata={"image/png": {"alt": text}})]


# (rule, index of the cell, what is changed in it). Cell 3 is the check, cells 4 to 7 are facts.
BREACHES = [
    ("executed_in_order", 3, {"execution_count": None}),
    ("executed_in_order", 3, {"execution_count": 7}),
    ("no_tags_but_ignore", 3, {"metadata": {"tags": ["nbval-skip"]}}),
    ("no_tags_but_ignore", 3, {"metadata": {"tags": ["raises-exception"]}}),
    ("no_tags_but_ignore", 3, {"metadata": {"tags": ["nbval-raises-exception"]}}),
    ("no_tags_but_ignore", 3, {"metadata": {"tags": ["skip-execution"]}}),
    ("no_tags_but_ignore", 0, {"metadata": {"tags": ["mine"]}}),
    ("no_tags_but_ignore", 3, {"source": "# NBVAL_SKIP\nprint(1)"}),
    ("no_tags_but_ignore", 3, {"source": "print(1)  # NBVAL_IGNORE_OUTPUT"}),
    ("no_tags_but_ignore", 3, {"source": "# PYTEST_VALIDATE_IGNORE_OUTPUT\nprint(1)"}),
    ("no_tags_but_ignore", 3, {"metadata": {"collapsed": True}}),
    ("no_tags_but_ignore", 3, {"metadata": {"jupyter": {"outputs_hidden": True}}}),
    ("no_tags_but_ignore", 3, {"metadata": {"jupyter": {"source_hidden": False}}}),
    ("no_tags_but_ignore", 3, {"metadata": FOLDED | {"collapsed": True}}),
    ("no_tags_but_ignore", 0, {"metadata": FOLDED}),
    ("no_tags_but_ignore", 3, {"cell_type": "raw"}),
    *(
        ("folded_cells_say_what_they_do", 3, {"metadata": FOLDED, "source": f"{first}{CHECK}"})
        for first in ("", "#\n", "#!\n", "\n# Check it.\n", "# noqa\n", '"""Check it."""\n')
    ),
    ("ignored_cells_are_checked", 3, {"outputs": []}),
    ("ignored_cells_are_checked", 3, {"metadata": {"tags": [IGNORE]}}),
    ("ignored_cells_are_checked", 7, {"metadata": {"tags": [IGNORE]}}),
    ("ignored_cells_are_checked", 3, {"source": f"# {CHECK}\nprint('ok')"}),
    ("ignored_cells_are_checked", 3, {"source": f"'''{CHECK}'''"}),
    ("most_outputs_are_compared", 4, {"metadata": {"tags": [IGNORE]}}),
    ("nothing_went_wrong", 3, {"outputs": printed(name="stderr")}),
    ("nothing_went_wrong", 3, {"outputs": [v4.new_output("error", ename="E", evalue="wrong")]}),
    ("cells_are_short", 3, {"source": "print(1)\n" * 26}),
    ("figures_are_shown_where_they_are_opened", 3, {"source": "figure, axis = plt.subplots()"}),
    (
        "figures_are_shown_where_they_are_opened",
        3,
        {"source": "figure = plt.figure()\n\n\ndef later():\n    show_figure(figure, 'A line.')"},
    ),
    (
        "functions_leave_a_network_in_its_mode",
        3,
        {"source": f"def draw(G, z):\n    G.eval()\n    return G(z)\n\n\n{CHECK}"},
    ),
    (
        "functions_leave_a_network_in_its_mode",
        3,
        {"source": f"def draw(G, D, z):\n    G.eval()\n    D.train()\n\n\n{CHECK}"},
    ),
    ("set_up_is_short", 1, {"source": "setup()\n" * 9}),
    ("set_up_is_short", 1, {"source": "import torch"}),
    ("nothing_of_this_machine", 3, {"outputs": printed("/home/me/data")}),
    ("nothing_of_this_machine", 3, {"outputs": printed("<thing at 0x7f0000000000>")}),
    ("nothing_of_this_machine", 3, {"outputs": shown("<b>/opt/me/x</b>", "text/html")}),
    ("nothing_of_this_machine", 3, {"outputs": printed("train: 100%|##| 3/3 [00:01<00:00, 2")}),
    ("nothing_of_this_machine", 3, {"source": "open('/tmp/me')"}),
    ("nothing_of_this_machine", 3, {"source": "print(1)  # see /content/drive"}),
    ("nothing_of_this_machine", 3, {"source": "open(f'C:\\\\Users\\\\{name}')"}),
    ("nothing_of_this_machine", 0, {"source": "# A title\n\nIt lies in `/Volumes/mine`."}),
    ("the_frame_is_there", 0, {"source": "No title"}),
    ("the_frame_is_there", 8, {"source": "## Common failures\n\n## Further reading"}),
    ("pictures_are_described", 4, {"outputs": described_as("<Figure size 640x480>")}),
    ("pictures_are_described", 4, {"outputs": described_as("")}),
    ("pictures_are_described", 4, {"outputs": [described_as("Two curves.")[0] | {"metadata": {}}]}),
    ("pictures_show_something", 4, {"outputs": described_as("Two curves.", "abc")}),
    (
        "pictures_show_something",
        4,
        {"outputs": described_as("Two curves.", png(Image.new("L", (99, 99), 255)))},
    ),
    (
        "pictures_show_something",
        2,
        {"outputs": described_as("Two curves.", png(Image.linear_gradient("L").resize((4, 4))))},
    ),
    *(
        ("code_is_plain_python", 3, {"source": source})
        for source in (
            f"%%capture\n{CHECK}",
            "%matplotlib inline",
            "%time train()",
            "!pip install torch",
            "files = !ls",
            "!!ls",
            "pip install torch",
            "train?",
            "?train",
            "%%bash\nls",
        )
    ),
    *(
        ("nothing_hides_code", 3, {"source": source})
        for source in (
            "get_ipython().system('ls')",
            "import os\nos.system('ls')",
            "import os\nos.popen('ls')",
            "from os import system",
            "import subprocess",
            "from subprocess import run",
            "import subprocess as shutil",
            "from IPython import get_ipython",
            "from IPython.utils.capture import capture_output",
            "from IPython.display import clear_output",
            "from contextlib import suppress",
            "import contextlib\nwith contextlib.redirect_stdout(None):\n    pass",
            "import sys\nsys.stdout = None",
            "exec('check = print')",
            "eval('1')",
            "globals()['check'] = print",
            "setattr(course_utils, 'check', print)",
            "import builtins\nbuiltins.print = 1",
            "import importlib\nimportlib.reload(course_utils)",
            "from unittest import mock",
            "__import__('os')",
            "course_utils.__dict__['check'] = print",
            "exit()",
        )
    ),
    *(
        ("check_is_the_courses_own", 3, {"source": source})
        for source in (
            "check = print",
            "def check(*args, **bounds):\n    print(args[0])",
            "class check:\n    pass",
            "check: object = print",
            "for check in (print,):\n    check('ok')",
            "import numpy as check",
            "from course_utils import check as sure",
            "from course_utils import show_figure as check",
            "from numpy import testing as check",
            "from mine import check",
            "from mine import *",
            "(check := print)('ok')",
            "with open('x') as check:\n    pass",
            "[check(1) for check in (print,)]",
            "(lambda check: check('ok'))(print)",
            "def ok(check=print):\n    check('ok')",
            "try:\n    pass\nexcept ValueError as check:\n    pass",
            "del check",
            "def sure():\n    global check\n    check = print",
            "match 1:\n    case check:\n        pass",
            "print = str",
            "float = str",
            "import course_utils\ncourse_utils.check('x', 1, at_least=0)",
            "import course_utils\ncourse_utils.checks.math = None",
            "from course_utils import checks",
        )
    ),
    *(
        ("each_check_is_made", 3, {"source": source})
        for source in (
            f"try:\n    {CHECK}\nexcept AssertionError:\n    print('ok')",
            f"try:\n    pass\nfinally:\n    {CHECK}",
            f"with open('x'):\n    {CHECK}",
            f"if history:\n    {CHECK}",
            f"for name in history:\n    if name:\n        {CHECK}",
            f"while history:\n    {CHECK}",
            f"def later():\n    {CHECK}",
            f"def later():\n    {CHECK}\n\n\nif history:\n    later()",
            f"def later():\n    {CHECK}\n\n\ntry:\n    later()\nexcept AssertionError:\n    pass",
            f"def later():\n    if history:\n        {CHECK}\n\n\nlater()",
            f"class Later:\n    {CHECK}",
            f"later = lambda: {CHECK}",
            f"history and {CHECK}",
            f"[{CHECK} for _ in ()]",
            f"({CHECK} for _ in (1,))",
            f"None if True else {CHECK}",
            "sure = check",
            "list(map(check, [], []))",
        )
    ),
    *(
        ("each_bound_asks_something", 3, {"source": f"check('x', history.mean(), {bounds})"})
        for bounds in (
            "at_most=float('inf')",
            "at_most=float('Infinity')",
            "at_least=-np.inf",
            "at_least=-math.inf",
            "at_least=float('-inf')",
            "at_most=torch.inf",
            "at_most=1e300",
            "at_most=1e999",
            "at_least=-10**9",
            "at_most=10 * 10**6",
            "at_most=sys.maxsize",
            "at_most=np.finfo(float).max",
            "at_most=np.nan",
            "at_least=None",
            "at_least=True",
            "0.5, float('inf')",
            "value=history.mean()",
        )
    ),
    ("each_bound_asks_something", 3, {"source": "check('x', 0.73, at_least=0.5)"}),
    ("each_bound_asks_something", 3, {"source": "check('x', value=1 - 0.27, at_least=0.5)"}),
    ("something_is_checked", 3, {"source": "print('ok')"}),
    *(
        ("pictures_of_results_are_ignored", 4, {"source": picture})
        for picture in ("last = history['D(x)']\nshow(last)", "for h in history:\n    show(h)")
    ),
    ("something_is_checked", 3, {"source": "assert history.mean('D(x)') > 0.5\nprint('ok')"}),
    ("each_check_is_compared", 2, {"source": f"{TRAINING}\n{CHECK}"}),
    ("check_lines_come_from_checks", 3, {"outputs": printed("ok\n")}),
    ("check_lines_come_from_checks", 3, {"outputs": printed("PyTorch, D(x): at least 0.5\n")}),
    ("check_lines_come_from_checks", 3, {"outputs": printed(LINE.replace("D(x)", "D(z)"))}),
    ("check_lines_come_from_checks", 3, {"outputs": printed(LINE.replace("0.5", "0.4"))}),
    ("check_lines_come_from_checks", 3, {"outputs": printed(LINE + "more: 3 (at least 2)\n")}),
    ("check_lines_come_from_checks", 4, {"outputs": printed(LINE)}),
    ("check_lines_come_from_checks", 4, {"outputs": printed("x: 3 (at least 2, of course)\n")}),
    ("check_lines_come_from_checks", 4, {"outputs": shown("x: 3 (at most 4)", "text/html")}),
    *(
        ("only_checks_speak_of_bounds", 3, {"source": f"for _ in ():\n    {CHECK}\n{imitation}"})
        for imitation in (
            f"print({LINE!r})",
            "print(f'PyTorch, D(x): {0.73} (at least 0.5)')",
            "print('PyTorch, D(x): 0.73 (' + 'at least' + ' 0.5)')",
            "print('PyTorch, D(x): 0.73 (at', 'least 0.5)')",
        )
    ),
    ("printed_bounds_ask_something", 3, {"outputs": printed(LINE.replace("0.5", "-inf"))}),
    ("printed_bounds_ask_something", 3, {"outputs": printed(LINE.replace("0.5", "-1e+300"))}),
    ("printed_bounds_ask_something", 3, {"outputs": printed(LINE.replace("0.5", "nan"))}),
    ("only_set_up_is_masked", 4, {"outputs": shown('<td class="machine">1</td>', "text/html")}),
    ("only_set_up_is_masked", 4, {"outputs": printed('<td class="machine">1</td>')}),
    ("only_set_up_is_masked", 4, {"source": "HTML('<td class=\"machine\">1</td>')"}),
    ("only_set_up_is_masked", 4, {"source": "HTML(f\"<td class='machine'>{x}</td>\")"}),
    ("only_set_up_is_masked", 1, {"source": "setup()\nHTML('<td class=\"machine\">1</td>')"}),
    ("only_set_up_is_masked", 1, {"source": "print('no set-up at all')"}),
]

# (rule, the ignored cell, the cell after it)
CHEATS = [
    *(
        ("ignored_cells_are_checked", TRAINING, following)
        for following in (
            "print('ok')",
            "assert history.mean('D(x)') > 0.5",
            "check('x', 0.73, at_least=0.5)",
            "share = 0.73\ncheck('x', share, at_least=0.5)",
            "history = {'D(x)': 0.73}\ncheck('x', history['D(x)'], at_least=0.5)",
            "if True:\n    history = 0.73\ncheck('x', history, at_least=0.5)",
            "def measure(run):\n    return 0.73\n\n\ncheck('x', measure(history), at_least=0.5)",
            "check('x', len(history), at_least=0.5)",
            "check('x', history['D(x)'].size, at_least=0.5)",
            "check('x', history['D(x)'].shape[0], at_least=0.5)",
            "check('x', np.ones_like(history['D(x)']).mean(), at_least=0.5)",
            "check('x', history is not None, at_least=0.5)",
            "check('x', bool(history), at_least=0.5)",
            "check('x', isinstance(history, dict), at_least=0.5)",
            "check('x', np.isfinite(history['D(x)']).all(), at_least=0.5)",
            "check('x', 'D(x)' in history, at_least=0.5)",
            "check('x', history == history, at_least=0.5)",
            "check('x', history.last - history.last, at_most=0.5)",
            "check('x', history.last / history.last, at_most=1.5)",
            "check('x', 0.0 * history.last, at_most=0.5)",
            "check('x', history.last**0, at_least=0.5)",
            "check('x', 1e-9 * history.last, at_most=0.5)",
            "check('x', max(0.73, history.last), at_least=0.5)",
            "check('x', np.clip(history.last, 0.5, 1), at_least=0.5)",
            "share = np.maximum(history.last, 0.6)\ncheck('x', share, at_least=0.5)",
            "check('x', history.last.clip(0.5, 1), at_least=0.5)",
            "check('x', 0.73 or history.last, at_least=0.5)",
            "check('x', images.images.mean(), at_least=0.5)",
            "check('x', runtime.seed, at_most=0.5)",
            "check('history', np.float64(3), at_most=5)",
            "check(f'{history.last}', np.pi, at_most=5)",
            "history = train\ncheck('x', np.pi, at_most=5)",
            "for history in (0.73,):\n    check('x', history, at_least=0.5)",
            "check('x', [0.73 for history in range(1)][0], at_least=0.5)",
        )
    ),
    (
        "ignored_cells_are_checked",
        f"{TRAINING}\nother = train(step, batches, 10, 'TensorFlow')",
        CHECK,  # Only one of two trainings is checked.
    ),
    ("ignored_cells_are_checked", f"{TRAINING}\nsteps = 10", "check('x', steps, at_least=5)"),
    ("ignored_cells_are_checked", f"before = G(1)\n{TRAINING}", "check('x', before, at_least=5)"),
    ("ignored_cells_are_checked", "steps = 10\nprint(steps)", "check('x', steps, at_least=5)"),
    ("ignored_cells_are_checked", "seen = G(1)\nshow(seen)", "check('x', images, at_least=5)"),
    *(
        ("bounds_are_fixed", TRAINING, following)
        for following in (
            "check('x', history.last, at_least=history.last)",
            "check('x', history.last, at_least=min(0.5, history.last))",
            "low = history.last - 1\ncheck('x', history.last, at_least=low)",
            "bounds = {'at_least': history.last}\ncheck('x', history.last, **bounds)",
            "check('x', history.last, history.last - 1)",
            "check('x', history.last, at_least=D(0))",
        )
    ),
]

# (the ignored cell, the cell after it)
HONEST = [
    (TRAINING, CHECK),
    (TRAINING, "for key in ('D(x)', 'D(G(z))'):\n    check(key, history[key], at_least=0.5)"),
    (TRAINING, "share = max(history['D(x)'])\ncheck('x', share, at_least=0.5)"),
    (TRAINING, "gap = abs(history.last - np.log(4))\ncheck('x', gap, at_most=np.log(4))"),
    (TRAINING, "check('x', G(1), at_least=0.5)"),
    (TRAINING, "def draw():\n    return G(1)\n\n\ncheck('x', draw(), at_least=0.5)"),
    (TRAINING, "draw = {'PyTorch': G}\ncheck('x', draw['PyTorch'](1), at_least=0.5)"),
    (TRAINING, "draw = lambda: G(1)\ncheck('x', draw(), at_least=0.5)"),
    (TRAINING, "rows = []\nrows.append(history.last)\ncheck('x', rows[0], at_least=0.5)"),
    (TRAINING, "check('x', sum(1 for v in history.values() if v > 0.5), at_least=0.5)"),
    (TRAINING, "check('x', np.mean([v > 0.5 for v in history['D(x)']]), at_least=0.5)"),
    (TRAINING, "for n, h in {'PyTorch': history}.items():\n    check(n, h.last, at_least=0.5)"),
    (TRAINING, "for n, h in (('real', 0.1), ('fake', history)):\n    check(n, h, at_least=0.5)"),
    (TRAINING, "def report(n, h):\n    check(n, h.last, at_least=0.5)\n\n\nreport('x', history)"),
    (TRAINING, "def keep(h):\n    return np.clip(h, 0, 1)\n\n\ncheck('x', keep(history), 0.5)"),
    (
        "runs = {}\nfor name in ('PyTorch', 'TensorFlow'):\n    runs[name] = train(step)",
        "for name, run in runs.items():\n    check(name, run.last, at_least=0.5)",
    ),
    (
        f"{TRAINING}\nother = train(step, batches, 10, 'TensorFlow')",
        f"{CHECK}\ncheck('other', other.last, at_least=0.5)",
    ),
    (
        "def both():\n    return train(step), train(step)\n\n\none, other = both()",
        "check('x', one.last, at_least=0.5)",
    ),
    ("seen = G(1)\nprint(seen)", "check('x', seen.mean(), at_least=0.5)"),
    ("train(step, batches)", "check('x', G(1), at_least=0.5)"),
]
