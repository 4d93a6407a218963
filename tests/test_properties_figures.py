"""Figures, checks and image sets on inputs that nobody thought of."""

import io

import matplotlib.pyplot as plt
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from property_inputs import attempt, wild_scalars, wild_things

from course_utils import (
    COLOURS,
    Explorer,
    ImageSet,
    as_images,
    check,
    load_images,
    show_figure,
    show_losses,
    show_moving,
    show_replay,
    show_samples,
    show_strip,
    show_telemetry,
    show_twins,
    tile,
    to_numpy,
)
from course_utils.training import History

COVERS = {
    "COLOURS",
    "Explorer",
    "ImageSet",
    "as_images",
    "check",
    "load_images",
    "show_figure",
    "show_losses",
    "show_moving",
    "show_replay",
    "show_samples",
    "show_strip",
    "show_telemetry",
    "show_twins",
    "tile",
    "to_numpy",
}
FEW = settings(max_examples=settings.default.max_examples // 8)  # They draw a figure each.
SAMPLES = np.linspace(-1, 1, 2 * 4 * 4).reshape(2, 4, 4, 1)


def history():
    values = {key: [0.1, 0.9] for key in ("d_loss", "g_loss", "D(x)", "D(G(z))")}
    return History(values, [SAMPLES, SAMPLES], [0, 2], steps=2)


@pytest.fixture(autouse=True)
def quiet(monkeypatch):
    """Show nothing: in a cell IPython would; here `display` prints."""
    for part in ("figures", "twins"):
        monkeypatch.setattr(f"course_utils.plots.{part}.display", lambda *_, **__: None)


def test_colours_are_colours():
    for colour in COLOURS.values():
        assert plt.matplotlib.colors.is_color_like(colour)


@given(wild_things())
def test_to_numpy(thing):
    for array in attempt(to_numpy, thing):
        assert isinstance(array, np.ndarray)
        assert array.dtype != object or isinstance(thing, np.ndarray)


@given(wild_things(), st.sampled_from([None, "NCHW", "NHWC", "CHW", 1, []]))
def test_as_images(samples, layout):
    for images in attempt(as_images, samples, layout):
        assert images.dtype == np.float32 and images.ndim == 4 and images.shape[3] in (1, 3)
        assert len(images) == len(samples) and images.size == samples.size
        assert images.min() >= 0 and images.max() <= 1
        assert samples.dtype == np.uint8 or samples.dtype.kind == "f"


@given(wild_scalars(), st.integers(1, 9))
def test_tile(columns, count):
    samples = np.full((count, 3, 5, 1), -1.0)
    for page in attempt(tile, samples, columns):
        rows = -(-count // columns)
        assert page.shape == (rows * 4 - 1, columns * 6 - 1, 1)
        assert (page == 0).sum() == samples.size  # Each pixel of each sample is there once.


@given(wild_things(), wild_things(), wild_things())
def test_check(value, at_least, at_most):
    for bounds in ({"at_least": at_least, "at_most": at_most}, {"at_least": 0}, {"at_most": 1}):
        if attempt(check, "share", value, allowed=[AssertionError], **bounds):
            number = float(np.asarray(value).item())
            assert np.isfinite(number)
            for name, sign in (("at_least", 1), ("at_most", -1)):
                if bounds.get(name) is not None:
                    assert sign * (number - float(np.asarray(bounds[name]).item())) >= 0
    attempt(check, value, 1, at_least=0)


@given(wild_things(), wild_things(), st.one_of(wild_things(), st.just(["a", "b"])))
def test_an_image_set(images, labels, names):
    for label in (labels, np.zeros(np.shape(images)[:1], int)):
        for found in attempt(ImageSet, "set", images, label, names):
            assert found.images is images and images.dtype == np.uint8 and images.size
            assert len(found.labels) == len(found) and max(found.labels) < len(found.class_names)
            assert np.abs(found.scaled()).max() <= 1 and repr(found)


@given(wild_scalars(), wild_scalars(), wild_scalars(), st.sampled_from([0.5, 0.01, 0.99]))
def test_parts_and_batches_of_an_image_set(fraction, seed, size, good):
    images = np.arange(11 * 16).astype(np.uint8).reshape(11, 4, 4, 1)
    image_set = ImageSet("set", images, np.arange(11) % 3, ("a", "b", "c"))
    for arguments in ((fraction, 0), (good, seed)):
        for first, second in attempt(image_set.split, *arguments):
            parts = np.concatenate([first.images, second.images])
            assert sorted(map(bytes, parts)) == sorted(map(bytes, images))
            assert set(first.labels) == set(second.labels) == {0, 1, 2}
    for arguments in ((size, 0), (3, seed)):
        for stream in attempt(image_set.batches, "numpy", *arguments):
            assert next(stream).shape == (arguments[0], 4, 4, 1)
            if attempt(setattr, stream, "position", size):
                assert stream.position == size
                assert len(next(stream)) == arguments[0]
    for name in ("torch", "tensorflow"):
        attempt(image_set.batches, name, 2, device=fraction)
    attempt(image_set.batches, fraction, 2)
    if attempt(image_set.require_size, fraction):
        assert fraction == 4


@given(wild_things(), wild_things(), wild_things(), wild_things())
def test_load_images(name, size, root, background):
    if root is None or isinstance(root, str):
        root = 1  # A text is a path, and there may be such a folder.
    attempt(load_images, name, size, root)
    attempt(load_images, "folder", size, root)
    for key in ("fit", "background", "channels"):
        for name in ("digits", "folder"):
            attempt(load_images, name, 8, "nowhere", **{key: background}, allowed=[OSError])


@given(background=wild_things())
def test_colours_behind_pictures(background, tmp_path_factory):
    folder = tmp_path_factory.getbasetemp() / "pictures"
    if not folder.exists():
        (folder / "one").mkdir(parents=True)
        Image.new("RGBA", (8, 6), (255, 0, 0, 0)).save(folder / "one" / "a.png")
    for found in attempt(load_images, "folder", 8, folder, "pad", background):
        assert (found.images == found.images[0, 0, 0]).all()  # All of it is transparent.


@FEW
@given(wild_things(), wild_things())
def test_a_figure_and_its_description(figure, description):
    attempt(show_figure, figure, "A figure.")
    own = plt.figure(figsize=(1, 1))
    attempt(show_figure, own, description)
    assert own.number not in plt.get_fignums()
    for function in (show_losses, show_telemetry, show_replay, show_strip, show_samples):
        attempt(function, {"PyTorch": history()}, description)
        for histories in (figure, {"PyTorch": figure}):
            attempt(function, histories, "A figure.")


@FEW
@given(wild_things())
def test_options_of_figures(value):
    runs = {"PyTorch": history(), "TensorFlow": history()}
    for option in ("references", "keys"):
        attempt(show_losses, runs, "Losses.", **{option: value})
    attempt(show_telemetry, runs, "Telemetry.", keys=value)
    for option in ("columns", "frame_seconds", "scale"):
        attempt(show_replay, runs, "A replay.", **{option: value})
    for option in ("moments", "count", "columns"):
        if not (isinstance(value, int) and value > 9):  # Right, and slow to draw.
            attempt(show_strip, runs, "A strip.", **{option: value})
    for option in ("columns", "layout", "row_titles", "scale"):
        attempt(show_samples, SAMPLES, "Samples.", **{option: value})


@FEW
@given(wild_things())
def test_a_moving_figure(value):
    def draw(moment):
        return plt.figure(figsize=(1, 1))

    attempt(show_moving, value, [1, 2], "Two.")
    attempt(show_moving, lambda _: value, [1, 2], "Two.")
    attempt(show_moving, draw, [1, 2], value)
    attempt(show_moving, draw, [1, 2], "Two.", frame_seconds=value)
    if not (hasattr(value, "__len__") and len(value) > 9):  # Right, and slow to draw.
        attempt(show_moving, draw, value, "Some.")


@FEW
@given(wild_things(), st.one_of(wild_things(), st.tuples(*4 * [st.floats() | st.integers(0, 3)])))
def test_an_explorer(value, slider):
    def draw(height=1):
        return plt.figure(figsize=(1, 1))

    attempt(Explorer, value, "One.")
    for options in ({"buttons": value}, {"play": value}, {"sliders": value}):
        attempt(Explorer, lambda **_: draw(), "One.", **options)
    for one in attempt(Explorer, draw, "One.", {"height": slider}):
        assert one._repr_mimebundle_()
    one = Explorer(draw, "One.", {"height": (0.0, 4.0, 1.0)})
    for png in attempt(one.set, height=value):
        assert 0 <= value <= 4 and Image.open(io.BytesIO(png)).size
    attempt(one.set, width=1)
    assert isinstance(one.values["height"], (int, float, np.number))


@given(wild_things())
def test_twin_sources(thing):
    if thing is not object:
        attempt(show_twins, thing, history)
        attempt(show_twins, history, thing)
