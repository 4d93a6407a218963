"""The live picture: when it is drawn, what it shows, where there is none, and what may fail."""

import itertools
import signal
from types import SimpleNamespace

import nbformat
import numpy as np
import pytest
import torch
from build import execute
from nbclient import NotebookClient
from PIL import Image

from course_utils import COLOURS, train
from course_utils.training import History, NonFiniteError, drawing, live
from course_utils.training.live import LIVE, SWITCH, LivePicture, Screen

nothing = itertools.repeat(None)
SAMPLES = np.zeros((8, 8, 8, 1), np.float32)


class Clock:
    """Seconds that pass only when a test says so."""

    now = 0.0

    def __call__(self):
        return self.now


class FakeScreen:
    """Keeps what it is shown; each picture takes the next of some seconds."""

    def __init__(self, clock=None, costs=(0,)):
        self.clock, self.costs = clock or Clock(), itertools.cycle(costs)
        self.shown, self.moments, self.last = [], [], "not ended"

    def show(self, image):
        self.shown.append(image)
        self.moments.append(self.clock.now)
        self.clock.now += next(self.costs)

    def end(self, image=None):
        self.last = image
        self.clock.now += next(self.costs) if image else 0


@pytest.fixture
def screen(monkeypatch):
    """Let trainings be watched on a false screen, with every drawing due."""
    false = FakeScreen()
    monkeypatch.setattr(live, "is_watched", lambda: True)
    monkeypatch.setattr(live, "Screen", lambda description: false)
    monkeypatch.setattr(live.Pace, "due", lambda self: True)
    return false


def losses():
    """Return a new step function; an old one would be told to go on."""
    return lambda _: {"d_loss": 1.0, "g_loss": 2.0}


# --- when ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("step", [1e-3, 0.02, 0.7])
@pytest.mark.parametrize("costs", [(1e-4,), (8e-3,), (0.06,), (0.3,), (0.01, 0.02), (0.02, 0.1)])
def test_it_moves_at_most_twice_a_second_and_for_less_than_three_percent(step, costs, monkeypatch):
    monkeypatch.setattr(LivePicture, "_draw", lambda self: SAMPLES)
    clock = Clock()
    screen = FakeScreen(clock, costs)
    with LivePicture(History(), 1, "PyTorch", screen=screen, clock=clock) as picture:
        while clock.now < 60:
            clock.now += step
            picture.update()
        training = clock.now
    assert screen.moments and screen.last is SAMPLES
    assert min(np.diff(screen.moments), default=1) >= 0.5 - 1e-9
    seconds = picture.pace.spent + clock.now - training  # With the last one.
    assert seconds < 0.03 * clock.now
    possible = min(60 / max(0.5, step), 0.012 * 60 / max(costs))
    assert picture.drawings == len(screen.moments) >= 0.7 * possible - 1


def test_a_short_training_has_no_picture(monkeypatch):
    clock = Clock()
    screen = FakeScreen(clock)
    with LivePicture(History(), 1, "PyTorch", screen=screen, clock=clock) as picture:
        clock.now = 0.3
        picture.update()
    assert screen.shown == []
    assert screen.last is None


# --- what ----------------------------------------------------------------------------------------


def rows_of(image, colour, columns):
    """Return the mean height of a colour's pixels in some columns, counted from above."""
    wanted = np.array(drawing._rgb(colour))
    found = np.argwhere((np.asarray(image)[:, columns] == wanted).all(-1))
    return found[:, 0].mean() if len(found) else None


def test_curves_rise_to_the_right_up_to_the_step_that_was_taken():
    values = {"d_loss": [4.0, 4.0], "g_loss": list(np.linspace(0, 3, 5_000))}
    image = drawing.draw_training(values, 5_000, 10_000)
    assert image.size == drawing.PANEL
    left, right = drawing.LEFT, drawing.PANEL[0] - drawing.RIGHT
    middle = (left + right) // 2
    for key, colour in (("g_loss", COLOURS["generated"]), ("d_loss", drawing.DARK)):
        body = image.crop((0, drawing.TOP, *(drawing.PANEL[0], drawing.PANEL[1] - drawing.BOTTOM)))
        start = rows_of(body, colour, slice(middle - 120, middle - 60))
        end = rows_of(body, colour, slice(middle - 30, middle))
        assert end < start - 20 if key == "g_loss" else end == pytest.approx(start, abs=1)
        assert rows_of(body, colour, slice(middle + 20, right)) is None


def test_a_long_curve_becomes_means_of_blocks():
    values = np.random.default_rng(0).random(10_007)
    steps, means = drawing._thin(values, 10_007)
    assert len(means) <= drawing.MOST_POINTS
    assert steps[-1] == 10_007
    assert means @ np.diff([0, *steps]) == pytest.approx(values.sum())
    steps, means = drawing._thin([1.0, 3.0], 4)  # In every other step.
    assert (steps.tolist(), means.tolist()) == ([2, 4], [1, 3])


def test_a_panel_for_losses_one_for_other_values_one_for_samples():
    page = drawing.samples_page(SAMPLES)
    width = drawing.PANEL[0]
    for values, panels in (
        ({"d_loss": [1.0]}, 2),
        ({"D(x)": [0.5], "D(G(z))": [0.5]}, 2),
        ({"d_loss": [0.0], "D(x)": [0.5], **{f"a long name {n}": [n] for n in range(9)}}, 3),
    ):
        image = drawing.draw_training(values, 1, 2, page)
        assert image.width == panels * width
        assert np.asarray(image)[:, -width // 2].std() > 0


@pytest.mark.parametrize("make", [torch.tensor, np.asarray])
@pytest.mark.parametrize(
    "shape", [(64, 28, 28, 1), (64, 1, 28, 28), (16, 32, 32, 3), (64, 3, 64, 64), (3, 400, 300, 1)]
)
def test_pictures_of_any_size_fit_a_panel(shape, make):
    samples = np.random.default_rng(0).uniform(-1, 1, shape).astype(np.float32)
    page = drawing.samples_page(make(samples))
    assert page.mode == "RGB"
    assert page.width <= drawing.PANEL[0] and page.height <= drawing.PANEL[1] - drawing.TOP
    assert np.asarray(page).std() > 10


def test_points_lie_where_they_are():
    page = np.asarray(drawing.samples_page(np.array([[0.9, 0.9], [1.0, 1.0], [np.nan, 0]])))
    rows, columns = np.nonzero((page == drawing._rgb(COLOURS["generated"])).all(-1))
    assert len(rows) == 2 * drawing.DOT**2
    assert rows.max() < len(page) / 4 and columns.min() > 3 * len(page) / 4


def test_what_is_no_sample_is_refused():
    for samples in (np.zeros(3), np.zeros((2, 5)), np.full((2, 8, 8, 1), 7.0)):
        with pytest.raises(ValueError):
            drawing.samples_page(samples)


def test_without_asking_the_last_snapshot_is_shown_if_it_can_be(screen, capsys):
    for snapshot, panels in ((SAMPLES, 2), (np.zeros(3), 1), (np.full((2, 2, 2, 2), np.nan), 1)):
        screen.shown.clear()
        train(losses(), nothing, 3, snapshot=lambda snapshot=snapshot: snapshot)
        assert {image.width for image in screen.shown} == {panels * drawing.PANEL[0]}
        assert len(screen.shown) == 3
        assert np.array_equal(screen.last, screen.shown[-1])
    assert "goes on" not in capsys.readouterr().out


def test_picture_is_asked_at_each_drawing_and_at_the_end(screen):
    greys = itertools.count()

    def picture():
        return np.full((1, 8, 8, 1), 20 * next(greys), np.uint8)

    train(losses(), nothing, 3, picture=picture, snapshot=lambda: SAMPLES)
    edge = drawing.PANEL[0] + drawing.RIGHT + 20, drawing.TOP + 20
    seen = [image.getpixel(edge)[0] for image in (*screen.shown, screen.last)]
    assert seen == [0, 20, 40, 60]


# --- where ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("shell", "environment", "watched"),
    [
        (None, {}, False),
        (SimpleNamespace(), {}, False),  # IPython in a terminal.
        (SimpleNamespace(kernel=None), {}, False),
        (SimpleNamespace(kernel="one"), {}, True),
        (SimpleNamespace(kernel="one"), {SWITCH: "1"}, True),
        (SimpleNamespace(kernel="one"), {SWITCH: "0"}, False),
        (SimpleNamespace(kernel="one"), {"PYTEST_VERSION": "9"}, False),
    ],
)
def test_only_who_sits_before_a_notebook_sees_it(shell, environment, watched, monkeypatch):
    monkeypatch.setattr(live, "get_ipython", lambda: shell)
    for name in ("PYTEST_VERSION", SWITCH):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert live.is_watched() is watched


def test_a_plain_bar_remains_elsewhere_and_on_request(monkeypatch, capsys):
    monkeypatch.setattr(live, "Screen", None)
    asked = []
    train(losses(), nothing, 3, "mine", picture=lambda: asked.append(1))
    monkeypatch.setattr(live, "is_watched", lambda: True)
    train(losses(), nothing, 3, "mine", picture=False)
    printed = capsys.readouterr().out
    assert asked == []
    assert printed.count("mine: 3 steps;") == 2 and "3/3" in printed
    assert "goes on" not in printed


@pytest.mark.parametrize("picture", [SAMPLES, "samples", 1])
def test_a_picture_that_is_no_function_is_refused(picture):
    with pytest.raises(ValueError, match="picture must be a function that returns samples"):
        train(losses(), nothing, 1, picture=picture)


def test_the_picture_stands_above_the_bar(screen, monkeypatch, capsys):
    monkeypatch.setattr(live, "Screen", lambda description: print(description) or screen)
    train(losses(), nothing, 3, "PyTorch")
    first, *rest = capsys.readouterr().out.splitlines()
    assert first == "PyTorch: how the recorded values and the samples change."
    assert any("3/3" in line for line in rest)


def test_a_widget_moves_and_a_plain_picture_remains(displayed, monkeypatch):
    updates = []

    def show(image):
        screen = Screen("A curve.")
        monkeypatch.setattr(screen._handle, "update", lambda *a, **k: updates.append((a, k)))
        before = screen._widget.value
        screen.show(Image.new("RGB", (600, 300)))
        assert before != screen._widget.value
        assert screen._widget.layout.width == "300px"
        widget = screen._widget
        screen.end(image)
        assert widget.comm is None  # Closed: nothing is left in the kernel.

    for image in (Image.new("RGB", (600, 300)), None):
        (shown,) = displayed(show, image)
        assert set(shown) == {live.VIEW, "text/plain"}
    ((first,), options), ((empty,), _) = updates
    assert first["text/plain"] == "A curve." and "image/png" in first
    assert options["metadata"] == {"image/png": {"alt": "A curve.", "width": 300}, LIVE: True}
    assert empty == {"text/html": ""}


# --- what may fail -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("picture", "told"),
    [
        (lambda: 1 / 0, "mine: picture= failed and is left out (ZeroDivisionError: division"),
        (lambda: None, "mine: picture= failed and is left out ("),
        (lambda: np.full((1, 8, 8, 1), np.nan), "samples hold NaN or infinity"),
    ],
)
def test_a_picture_that_fails_is_told_once_and_the_curves_go_on(picture, told, screen, capsys):
    history = train(losses(), nothing, 5, "mine", picture=picture)
    assert history.steps == 5 and history.stopped == ""
    assert len(screen.shown) == 5
    printed = capsys.readouterr().out
    assert printed.count(told) == 1
    assert printed.count("The training goes on.") == 1


def test_a_screen_that_fails_is_told_once_and_not_asked_again(screen, monkeypatch, capsys):
    calls = []
    monkeypatch.setattr(screen, "show", lambda image: calls.append(1) or 1 / 0)
    assert train(losses(), nothing, 5, "mine").steps == 5
    assert len(calls) == 1 and screen.last == "not ended"
    assert capsys.readouterr().out.count("mine: the live picture stops (ZeroDivisionError") == 1
    monkeypatch.setattr(live, "Screen", lambda description: 1 / 0)
    assert train(losses(), nothing, 5, "mine").steps == 5
    assert capsys.readouterr().out.count("The training goes on.") == 1


def test_an_interrupt_while_it_draws_ends_the_training_between_two_steps(screen):
    taken = []

    def picture():
        if len(taken) == 3:
            signal.raise_signal(signal.SIGINT)
        return SAMPLES

    history = train(lambda _: taken.append(1) or {"loss": 0}, nothing, 9, picture=picture)
    assert history.stopped == "interrupted after step 3"
    assert len(taken) == 3 and len(screen.shown) == 3
    assert screen.last.width == 2 * drawing.PANEL[0]


def test_a_training_that_fails_leaves_its_curves(screen):
    numbers = iter([1.0, 2.0, np.nan])
    with pytest.raises(NonFiniteError):
        train(lambda _: {"loss": next(numbers)}, nothing, 9)
    assert np.array_equal(screen.last, screen.shown[-1])


# --- in kernels ----------------------------------------------------------------------------------

# Each step is drawn, however slow the machine.
TRAINING = """import itertools

import ipywidgets
from course_utils import train
from course_utils.training import live

live.Pace.due = lambda self: True
widgets = []
ipywidgets.Widget.on_widget_constructed(widgets.append)

def step(_):
    return {"loss": 1.0}

history = train(step, itertools.repeat(None), 3, "mine")
"""


@pytest.fixture
def path(tmp_path):
    cells = [TRAINING, "print(len(widgets) > 0)"]
    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    book.cells[0].metadata["tags"] = ["nbval-ignore-output"]
    nbformat.write(book, tmp_path / "trains.ipynb")
    return tmp_path / "trains.ipynb"


def test_a_kernel_shows_it_and_neither_the_build_nor_nbval_does(path, nbval, monkeypatch):
    monkeypatch.delenv("PYTEST_VERSION")
    book = nbformat.read(path, as_version=4)
    NotebookClient(book, kernel_name="python3").execute()
    first = book.cells[0].outputs[0]
    assert first.metadata[LIVE] and "image/png" in first.data
    assert book.cells[1].outputs[0].text == "True\n"
    execute(path)
    book = nbformat.read(path, as_version=4)
    assert [output.output_type for output in book.cells[0].outputs] == ["stream"]
    assert book.cells[1].outputs[0].text == "False\n"
    child = nbval(path)
    assert child.returncode == 0, child.stdout
