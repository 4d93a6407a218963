"""What is drawn in a figure: the values, at their places, in their colours."""

import io
from base64 import b64decode

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.colors import to_hex
from PIL import Image

from course_utils import (
    COLOURS,
    show_losses,
    show_replay,
    show_samples,
    show_strip,
    show_telemetry,
    tile,
)
from course_utils.training import History


@pytest.fixture
def drawn(monkeypatch):
    """Return a function that calls another one and returns the figure it would have shown."""
    figures = []
    for part in ("curves", "samples"):
        monkeypatch.setattr(
            f"course_utils.plots.{part}.show_figure", lambda figure, text: figures.append(figure)
        )

    def draw(function, *args, **kwargs):
        function(*args, "A figure.", **kwargs)
        return figures.pop()

    yield draw
    plt.close("all")


def history(steps=90):
    values = {"d_loss": np.arange(steps) % 2.0, "g_loss": np.arange(steps) / steps}
    values |= {"D(x)": np.full(steps, 0.75), "D(G(z))": np.full(steps, 0.25)}
    snapshots = [np.full((10, 6, 6, 1), level, float) for level in (-1, -0.5, 0.5, 1)]
    return History({k: list(v) for k, v in values.items()}, snapshots, [0, 30, 60, 90])


RUNS = {"PyTorch": history(), "TensorFlow, again": history()}


def test_a_loss_is_drawn_raw_and_as_a_mean_of_a_thirtieth_of_the_run(drawn):
    figure = drawn(show_losses, RUNS, references={"g_loss": 0.5})
    first, second = figure.axes
    assert [first.get_title(), second.get_title()] == ["d_loss", "g_loss"]
    raw, thick = first.lines[:2]
    assert np.array_equal(raw.get_ydata(), np.arange(90) % 2)
    mean = np.arange(90) % 2
    mean = np.array([mean[max(0, end - 3) : end].mean() for end in range(1, 91)])
    np.testing.assert_allclose(thick.get_ydata(), mean)
    colours = [to_hex(line.get_color()).upper() for line in first.lines]
    assert colours == [COLOURS["PyTorch"]] * 2 + [COLOURS["TensorFlow"]] * 2
    assert len(first.lines) == 4
    assert second.lines[-1].get_ydata() == [0.5, 0.5]
    assert second.texts[0].get_text() == "equilibrium 0.500"


def test_telemetry_has_a_panel_a_run_and_one_half_as_its_goal(drawn):
    figure = drawn(show_telemetry, RUNS)
    assert [axis.get_title() for axis in figure.axes] == list(RUNS)
    for axis in figure.axes:
        assert axis.get_ylim() == (0, 1)
        assert [line.get_ydata()[0] for line in axis.lines] == [0.75, 0.75, 0.25, 0.25, 0.5]
        colours = [to_hex(line.get_color()).upper() for line in axis.lines[:4]]
        assert colours == [COLOURS["real"]] * 2 + [COLOURS["generated"]] * 2


def test_a_strip_shows_evenly_chosen_moments_and_the_first_samples(drawn):
    figure = drawn(show_strip, RUNS, moments=3)
    titles = [axis.get_title() for axis in figure.axes]
    assert titles == ["step 0", "step 60", "step 90"] * 2
    for axis, level in zip(figure.axes, (0, 0.75, 1) * 2, strict=True):
        shown = axis.images[0].get_array()
        assert shown.shape == (2 * 7 - 1, 4 * 7 - 1)  # Eight samples in rows of four.
        assert (shown[:6, :6] == level).all()
        assert axis.images[0].get_clim() == (0, 1)
    assert [axis.get_ylabel() for axis in figure.axes[::3]] == list(RUNS)
    assert len(drawn(show_strip, RUNS).axes) == 10  # Five moments of each run.


def test_samples_stand_under_their_titles_and_beside_their_rows(drawn):
    batch = np.linspace(-1, 1, 6)[:, None, None, None] * np.ones((1, 8, 8, 1))
    named = {"real": batch, "generated": -batch}
    figure = drawn(show_samples, named, columns=3, row_titles=["one", "two"])
    for axis, (title, samples) in zip(figure.axes, named.items(), strict=True):
        assert axis.get_title() == title
        assert to_hex(axis.title.get_color()).upper() == COLOURS[title]
        assert np.array_equal(axis.images[0].get_array(), tile(samples, 3).squeeze())
    first = figure.axes[0]
    assert [label.get_text() for label in first.get_yticklabels()] == ["one", "two"]
    assert list(first.get_yticks()) == [17 / 4, 3 * 17 / 4]  # The middles of two rows in 17.
    width, height = drawn(show_samples, batch).get_size_inches()
    twice = drawn(show_samples, batch, scale=2).get_size_inches()
    assert (width, twice[0]) == (4.2, 8.4)
    assert height == pytest.approx(4.2 * 8 / 71 + 0.3)  # One row of eight, and room for a title.


@pytest.mark.parametrize(("options", "scale", "columns"), [({}, 2, 8), ({"scale": 3}, 3, 8)])
def test_a_replay_enlarges_pixels_and_waits_half_a_second(options, scale, columns, displayed):
    (bundle,) = displayed(show_replay, RUNS, "Digits.", **options)
    animation = Image.open(io.BytesIO(b64decode(bundle["image/png"])))
    width = (columns * 7 - 1) * scale
    assert animation.size == (2 * width + 12, 22 + (2 * 7 - 1) * scale)
    assert animation.info["duration"] == 500
    for frame, level in enumerate((0, 63, 191, 255)):
        animation.seek(frame)
        pixels = np.asarray(animation.convert("L"), int)
        for left in (0, width + 12):
            inside = pixels[22 : 22 + 6 * scale, left : left + 6 * scale]
            assert np.abs(inside - level).max() <= 1
    assert animation.info["duration"] == 2000


def test_a_page_has_rows_of_eight_if_nothing_else_is_asked():
    assert tile(np.zeros((9, 4, 4, 1))).shape == (9, 39, 1)
