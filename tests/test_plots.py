"""Pictures of any layout, and figures that show one opaque PNG with a description."""

import io
import itertools
import json
from base64 import b64decode

import matplotlib.pyplot as plt
import numpy as np
import pytest
import tensorflow as tf
import torch
from IPython.utils.capture import capture_output
from PIL import Image, ImageColor

from course_utils import (
    COLOURS,
    as_images,
    show_figure,
    show_losses,
    show_moving,
    show_replay,
    show_samples,
    show_strip,
    show_telemetry,
    show_twins,
    tile,
)
from course_utils.plots.curves import _smooth
from course_utils.training import History

# --- pictures ----------------------------------------------------------------------------------

MAKERS = {
    "numpy": np.asarray,
    "torch": torch.from_numpy,
    "gradient": lambda array: torch.from_numpy(array).requires_grad_(),
    "tensorflow": tf.constant,
    "variable": tf.Variable,
}


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
@pytest.mark.parametrize("kind", MAKERS)
@pytest.mark.parametrize("dtype", ["uint8", "float16", "float32", "float64"])
def test_every_layout_dtype_and_framework_gives_the_same_pictures(kind, layout, channels, dtype):
    if kind == "gradient" and dtype == "uint8":
        dtype = "float32"  # Whole numbers have no gradient.
    levels = np.random.default_rng(0).integers(0, 2, size=(4, 8, 6, channels))
    array = (levels * 255 if dtype == "uint8" else levels * 2 - 1).astype(dtype)
    if layout == "NCHW":
        array = np.ascontiguousarray(array.transpose(0, 3, 1, 2))
    images = as_images(MAKERS[kind](array))
    assert images.dtype == np.float32
    assert np.array_equal(images, levels)


def test_pictures_without_a_channel_axis_are_grey():
    assert as_images(np.zeros((2, 8, 8))).shape == (2, 8, 8, 1)
    assert as_images(np.zeros((1, 8, 8))).shape == (1, 8, 8, 1)


@pytest.mark.parametrize("shape", [(3, 8, 8), (8, 8, 3), (8, 8, 1)])
def test_a_picture_without_its_batch_axis_is_not_taken_for_many(shape):
    with pytest.raises(ValueError, match=r"pass x\[None\] for one picture"):
        as_images(np.zeros(shape))
    assert as_images(np.zeros(shape)[None]).shape[0] == 1


@pytest.mark.parametrize("dtype", ["bool", "complex64", "object", "U1"])
def test_what_is_no_number_is_refused(dtype):
    with pytest.raises(ValueError, match="must be uint8 or float, but got"):
        as_images(np.zeros((2, 8, 8, 1)).astype(dtype))


@pytest.mark.parametrize("shape", [(2, 3, 8, 3), (2, 1, 8, 1), (5, 1, 1, 3)])
def test_shapes_that_fit_both_layouts_need_one(shape):
    with pytest.raises(ValueError, match=r"pass layout='NCHW' or 'NHWC'"):
        as_images(np.zeros(shape))
    assert as_images(np.zeros(shape), layout="NHWC").shape == shape
    n, c, h, w = shape
    assert as_images(np.zeros(shape), layout="NCHW").shape == (n, h, w, c)


@pytest.mark.parametrize(
    ("samples", "message"),
    [
        (np.zeros((8, 8)), r"shape is \(8, 8\)"),
        (np.zeros((0, 8, 8, 1)), r"shape is \(0, 8, 8, 1\)"),
        (np.zeros((1, 2, 8, 8, 1)), "batch of pictures"),
        (np.full((1, 8, 8, 1), 1.02), r"\[-1, 1\].*1.02"),
        (np.full((1, 8, 8, 1), -1.5), r"\[-1, 1\].*-1.5"),
        (np.zeros((2, 4, 4, 4)), "no axis of 1 or 3 channels"),
        (np.full((1, 8, 8, 1), 1), r"pass uint8 pictures of 0 to 255"),
        (np.full((1, 8, 8, 1), np.nan), "NaN or infinity"),
        (np.full((1, 8, 8, 1), np.inf), "NaN or infinity"),
    ],
)
def test_what_no_picture_is_is_refused(samples, message):
    with pytest.raises(ValueError, match=message):
        as_images(samples)
    with pytest.raises(ValueError, match="layout must be 'NCHW' or 'NHWC', but got 'CHW'"):
        as_images(np.zeros((1, 8, 8, 1)), layout="CHW")


def test_a_hundredth_of_overshoot_is_clipped():
    images = as_images(np.array([-1.01, 1.01]).reshape(2, 1, 1, 1), layout="NHWC")
    assert images.ravel().tolist() == [0, 1]


@pytest.mark.parametrize(("count", "columns"), [(1, 1), (5, 2), (8, 8), (3, 8)])
def test_a_page_holds_every_sample_once_and_white_between(count, columns):
    samples = np.linspace(-1, 0.9, count)[:, None, None, None] * np.ones((1, 4, 6, 1))
    page = tile(samples, columns)
    rows = -(-count // columns)
    assert page.shape == (rows * 5 - 1, columns * 7 - 1, 1)
    for index, image in enumerate(as_images(samples)):
        row, column = divmod(index, columns)
        assert np.array_equal(page[row * 5 : row * 5 + 4, column * 7 : column * 7 + 6], image)
    assert (page[4::5] == 1).all()
    assert (page[:, 6::7] == 1).all()


@pytest.mark.parametrize("window", [1, 3, 100])
def test_the_thick_line_is_a_running_mean(window):
    values = np.random.default_rng(0).normal(size=40)
    expected = [values[max(0, end - window) : end].mean() for end in range(1, 41)]
    np.testing.assert_allclose(_smooth(values, window), expected, atol=1e-12)


# --- figures -----------------------------------------------------------------------------------


def history(seed=0, steps=60):
    rng = np.random.default_rng(seed)
    values = {k: list(rng.uniform(0.3, 1, steps)) for k in ("d_loss", "g_loss", "D(x)", "D(G(z))")}
    snapshots = [rng.uniform(-1, 1, (8, 6, 6, 1)) for _ in range(4)]
    return History(values, snapshots, [0, 20, 40, 60])


RUNS = {"PyTorch": history(0), "TensorFlow": history(1)}
SAMPLES = np.random.default_rng(0).uniform(-1, 1, (6, 8, 8, 1))

SHOWN = {
    "samples": lambda text: show_samples(SAMPLES, text),
    "colour samples": lambda text: show_samples(SAMPLES.repeat(3, 3), text, columns=2, scale=0.5),
    "named samples": lambda text: show_samples({"real": SAMPLES, "generated": SAMPLES}, text),
    "rows": lambda text: show_samples(SAMPLES, text, columns=3, row_titles=["one", "two"]),
    "losses": lambda text: show_losses(RUNS, text, references={"d_loss": 1.386}),
    "telemetry": lambda text: show_telemetry(RUNS, text),
    "strip": lambda text: show_strip(RUNS, text, moments=3),
    "figure": lambda text: show_figure(plt.figure(), text),
}


def decoded(bundle, kind="image/png"):
    return Image.open(io.BytesIO(b64decode(bundle[kind])))


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("name", SHOWN)
def test_each_figure_is_shown_once_with_its_description_and_closed(name, displayed):
    bundles = displayed(SHOWN[name], "Two words,\n   and more.")
    assert len(bundles) == 1
    assert set(bundles[0]) == {"image/png", "text/plain"}
    assert bundles[0]["text/plain"] == "Two words, and more."
    json.dumps(bundles[0])  # A kernel must be able to send it.
    picture = decoded(bundles[0])
    assert picture.convert("RGBA").getextrema()[3] == (255, 255)  # Opaque everywhere.
    assert plt.get_fignums() == []
    if name != "figure":
        assert np.std(picture.convert("L")) > 5


@pytest.mark.parametrize("name", [*SHOWN, "replay", "moving"])
@pytest.mark.parametrize("text", ["", "  \n", None])
def test_a_figure_without_description_is_refused(name, text, displayed):
    moving = {
        "replay": lambda text: show_replay(RUNS, text),
        "moving": lambda text: show_moving(frame, [1, 2], text),
    }
    show = {**SHOWN, **moving}[name]
    with pytest.raises(ValueError, match="needs a description"):
        displayed(show, text)
    plt.close("all")


def test_figures_are_opaque_whatever_the_theme(displayed):
    with plt.rc_context({"savefig.transparent": False, "figure.facecolor": "none"}):
        picture = decoded(displayed(SHOWN["figure"], "Empty.")[0])
    assert picture.convert("RGBA").getpixel((0, 0)) == (255, 255, 255, 255)


def test_the_same_figure_gives_the_same_bytes(displayed):
    one, other = (displayed(SHOWN["losses"], "Curves.")[0] for _ in range(2))
    assert one == other


@pytest.mark.parametrize(
    ("show", "message"),
    [
        (lambda: show_losses(RUNS, "x", keys=("loss",)), "holds no 'loss', only: d_loss"),
        (lambda: show_losses({"PyTorch": History()}, "x"), "only: nothing"),
        (lambda: show_replay({"PyTorch": History()}, "x"), "show_replay needs snapshots"),
        (
            lambda: show_replay({"a": history(), "b": History({}, [SAMPLES], [0])}, "x"),
            "at the same steps",
        ),
    ],
)
def test_what_cannot_be_drawn_is_refused(show, message):
    plt.close("all")
    with pytest.raises(ValueError, match=message):
        show()
    assert plt.get_fignums() == []  # A figure that failed would be drawn under the next cell.


def test_a_replay_is_an_animation_with_a_description(displayed):
    bundles = displayed(show_replay, RUNS, "Digits  appear.", columns=4, frame_seconds=0.1)
    assert len(bundles) == 1
    assert bundles[0]["text/plain"] == "Digits appear."
    animation = decoded(bundles[0])
    assert animation.n_frames == 4
    durations = []
    for frame in range(4):
        animation.seek(frame)
        durations.append(animation.info["duration"])
    assert durations == [100, 100, 100, 400]


def frame(level, size=(2, 1)):
    figure, axis = plt.subplots(figsize=size)
    axis.barh([0], [level])
    axis.set(xlim=(0, 4))
    return figure


def test_figures_are_played_one_after_the_other(displayed):
    plt.close("all")
    with plt.rc_context({"figure.facecolor": "none"}):
        (bundle,) = displayed(show_moving, frame, range(4), "A  bar grows.", frame_seconds=0.1)
    assert bundle["text/plain"] == "A bar grows."
    animation = decoded(bundle)
    assert animation.n_frames == 4 and animation.size == (200, 100)
    durations, dark = [], []
    for number in range(4):
        animation.seek(number)
        durations.append(animation.info["duration"])
        pixels = np.asarray(animation.convert("RGB").convert("L"), float)
        dark.append((pixels < 200).sum())
        assert pixels[0, 0] > 245  # White, whatever the theme.
    assert durations == [1000, 100, 100, 2000]
    assert dark == sorted(set(dark))  # The bar grows.
    assert plt.get_fignums() == []


def test_a_moving_figure_keeps_the_colours_of_the_course(displayed):
    def draw(moment):
        figure, axis = plt.subplots(figsize=(3, 2))
        axis.imshow(np.linspace(0, moment, 200)[None], cmap="PiYG", aspect="auto")
        for place, colour in enumerate(COLOURS.values()):
            figure.text(place / 4, 0.92, "title", color=colour)
        return figure

    (bundle,) = displayed(show_moving, draw, [1, 2], "Titles.")
    pixels = {tuple(pixel) for pixel in np.asarray(decoded(bundle).convert("RGB")).reshape(-1, 3)}
    assert pixels >= {tuple(ImageColor.getrgb(c)) for c in ("white", *COLOURS.values())}


@pytest.mark.parametrize(
    ("draw", "moments", "message"),
    [
        (frame, [1], "two or more figures of one size, but got 1"),
        (lambda level: frame(level, (2, level)), [1, 2], "200, 100.*200, 200"),
        (lambda level: frame(level).nothing, [1, 2], "nothing"),
    ],
)
def test_what_cannot_be_played_is_refused_and_closed(draw, moments, message):
    plt.close("all")
    with pytest.raises(Exception, match=message):
        show_moving(draw, moments, "A bar.")
    assert plt.get_fignums() == []


def test_a_figure_that_cannot_be_drawn_is_closed():
    plt.close("all")
    figure, axis = plt.subplots()
    axis.set_title("$\\nonsense$")
    with pytest.raises(ValueError, match="nonsense"):
        show_figure(figure, "A title that Matplotlib cannot read.")
    assert plt.get_fignums() == []


def test_a_picture_carries_its_description_for_a_screen_reader(shell):
    figure, _ = plt.subplots()
    with capture_output() as captured:
        show_figure(figure, "One  empty axis.")
        show_replay(RUNS, "Digits appear.")
    texts = [output.metadata["image/png"]["alt"] for output in captured.outputs]
    assert texts == ["One empty axis.", "Digits appear."]


# --- twins of source code ----------------------------------------------------------------------


def d_loss_torch(real, fake):
    """Sum the two terms."""
    return real.mean() - fake.mean()


@tf.function
def d_loss_tf(real, fake):
    return tf.reduce_mean(real) - tf.reduce_mean(fake)


def test_twins_stand_in_two_columns(displayed):
    (bundle,) = displayed(show_twins, d_loss_torch, d_loss_tf)
    assert set(bundle) == {"text/plain", "text/html"}
    assert bundle["text/html"].count("<td") == 2
    assert "real.mean() - fake.mean()" in bundle["text/plain"]
    assert "tf.reduce_mean(real)" in bundle["text/plain"]
    assert bundle["text/plain"].index("PyTorch") < bundle["text/plain"].index("TensorFlow")
    for title in ("PyTorch", "TensorFlow"):
        assert COLOURS[title] in bundle["text/html"]
    assert "0x" not in bundle["text/plain"]


@pytest.mark.parametrize("wrong", [len, 3, "text", np.sin])
def test_twins_need_source_code(wrong):
    with pytest.raises(TypeError, match="functions with source code"):
        show_twins(wrong, d_loss_tf)


# --- colours -----------------------------------------------------------------------------------

# Machado, Oliveira and Fernandes (2009), table 1, severity 1.0; for linear RGB.
SEEN_WITH = {
    "all cones": [[1, 0, 0], [0, 1, 0], [0, 0, 1]],
    "protanopia": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "deuteranopia": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
    "tritanopia": [
        [1.255528, -0.076749, -0.178779],
        [-0.078411, 0.930809, 0.147602],
        [0.004733, 0.691367, 0.303900],
    ],
}


def lab(rgb):
    """CIE L*a*b* of linear RGB."""
    to_xyz = np.array(
        [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]
    )
    x, y, z = np.cbrt(np.clip(to_xyz @ rgb / [0.9505, 1.0, 1.089], 0, None))
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


@pytest.mark.parametrize("eyes", SEEN_WITH)
def test_colours_can_be_told_apart(eyes):
    """By at least 15 in CIE76, six times what is just noticeable, with each kind of eyes."""
    seen = {}
    for name, code in COLOURS.items():
        srgb = np.array([int(code[i : i + 2], 16) for i in (1, 3, 5)]) / 255
        linear = np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)
        seen[name] = lab(np.clip(np.array(SEEN_WITH[eyes]) @ linear, 0, 1))
    for one, other in itertools.combinations(seen, 2):
        assert np.linalg.norm(seen[one] - seen[other]) > 15, (one, other)
    for name, colour in seen.items():
        assert colour[0] < 75, name  # Dark enough for a white page.
