"""Image sets: the two that need no network, and the neutral object."""

import numpy as np
import pytest
import torch
from image_files import tiny

from course_utils import ImageSet, load_images
from course_utils.data.loading import DATA_SETS
from course_utils.data.offline import OFFLINE
from course_utils.data.resizing import resize

# --- the two sets that need no network -------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "count", "size", "channels"), [("digits", 1797, 28, 1), ("street", 7188, 32, 3)]
)
def test_offline_sets(name, count, size, channels):
    image_set = load_images(name)
    assert image_set.images.shape == (count, size, size, channels)
    assert image_set.images.dtype == np.uint8
    assert image_set.labels.dtype == np.int64
    assert image_set.class_names == tuple("0123456789")
    assert (image_set.size, image_set.channels, len(image_set)) == (size, channels, count)
    assert np.bincount(image_set.labels).min() > count / 11
    assert (
        repr(image_set) == f"{name}: {count:,} images of {size} x {size} x {channels}, 10 classes"
    )
    again = load_images(name)
    assert np.array_equal(image_set.images, again.images)
    assert np.array_equal(image_set.labels, again.labels)


@pytest.mark.parametrize("size", [8, 16, 28, 32, 33, 64])
@pytest.mark.parametrize("name", OFFLINE)
def test_offline_sets_in_other_sizes(name, size):
    image_set = load_images(name, size=size)
    assert image_set.images.shape[1:3] == (size, size)
    assert image_set.images.max() > 200


def cubic(offset):
    """Keys' cubic kernel (1981) with a = -1/2, at distances from a pixel, in pixels."""
    x = np.abs(offset)
    near, far = 1.5 * x**3 - 2.5 * x**2 + 1, -0.5 * x**3 + 2.5 * x**2 - 4 * x + 2
    return np.where(x < 1, near, np.where(x < 2, far, 0))


def test_a_picture_is_enlarged_by_the_cubic_kernel():
    """A grey line one pixel wide becomes the kernel itself, with its dark rims."""
    line = np.full((8, 8), 100, np.uint8)
    line[:, 4] = 200
    centres = (np.arange(32) + 0.5) / 4 - 0.5
    expected = 100 + 100 * cubic(centres - 4)
    assert expected.min() < 94  # No other kernel of the library has such rims.
    np.testing.assert_allclose(resize(line, 32), np.tile(expected, (32, 1)), atol=1)


def test_a_picture_is_shrunk_by_averages():
    board = np.indices((64, 64)).sum(0) % 2 * 255
    small = resize(board.astype(np.uint8), 8)
    np.testing.assert_allclose(small, 127.5, atol=3)


@pytest.mark.parametrize("name", OFFLINE)
def test_both_drawings_are_of_the_same_digits(name):
    strokes, blurred = load_images(name), load_images(f"{name}-blurred")
    assert np.array_equal(strokes.labels, blurred.labels)
    assert (strokes.name, strokes.class_names) == (blurred.name, blurred.class_names)
    assert not np.array_equal(strokes.images, blurred.images)
    difference = np.abs(strokes.images.astype(float) - blurred.images).mean()
    assert difference < 20  # Of 255: the same digits on the same walls.


def test_digits_are_bright_on_black_and_touch_no_edge():
    images = load_images("digits").images
    edge = np.concatenate([images[:, [0, -1]].ravel(), images[:, :, [0, -1]].ravel()])
    assert edge.max() == 0
    assert images.reshape(len(images), -1).max(1).min() > 200


def test_street_digits_are_legible():
    """Paint and wall differ clearly in brightness, dark on bright about as often as the reverse."""
    ink = np.tile(load_images("digits", size=32).images[..., 0], (4, 1, 1)) / 255
    grey = load_images("street").images.mean(3)
    middle = (slice(None), slice(None), slice(8, 24))  # Where no neighbour reaches.
    ink, grey = ink[middle], grey[middle]
    paint = (grey * (ink > 0.8)).sum((1, 2)) / (ink > 0.8).sum((1, 2))
    wall = (grey * (ink < 0.1)).sum((1, 2)) / (ink < 0.1).sum((1, 2))
    assert np.abs(paint - wall).min() > 35
    assert 0.4 < (paint > wall).mean() < 0.6


def test_street_has_colour_and_neighbours():
    images = load_images("street").images.astype(int)
    assert np.ptp(images.mean((1, 2)), axis=1).mean() > 10  # Channels differ.
    left, right = images[:, :, 0].std(1).mean(1), images[:, :, -1].std(1).mean(1)
    assert (left > 5).mean() > 0.3
    assert (right > 5).mean() > 0.3


# --- the neutral object ----------------------------------------------------------------------


PICTURES = np.zeros((4, 8, 8, 1), np.uint8)


@pytest.mark.parametrize(
    ("images", "labels", "message"),
    [
        (PICTURES.astype(np.float32), [0] * 4, "uint8"),
        (PICTURES[..., 0], [0] * 4, r"\(4, 8, 8\)"),
        (PICTURES.transpose(0, 3, 1, 2), [0] * 4, r"\(4, 1, 8, 8\)"),
        (PICTURES[:0], [], "at least one picture"),
        (PICTURES, [0] * 3, "each of 4 pictures, but got 3"),
        (PICTURES, [0, 1, 2, 3], "because there are 3 classes, but got 3"),
        (PICTURES, [-1, 0, 0, 0], "because there are 3 classes, but got -1"),
    ],
)
def test_impossible_sets_are_refused(images, labels, message):
    with pytest.raises(ValueError, match=message):
        ImageSet("mine", images, np.array(labels, np.int64), tuple("abc"))


@pytest.mark.parametrize("kind", [list, tuple, np.int32, np.uint8, torch.tensor])
def test_labels_of_any_whole_kind_are_kept_as_int64(kind):
    labels = [0, 2, 1, 2]
    made = kind(labels) if kind in (list, tuple, torch.tensor) else np.array(labels, kind)
    image_set = ImageSet("mine", PICTURES, made, ["a", "b", "c"])
    assert image_set.labels.dtype == np.int64
    assert image_set.labels.tolist() == labels
    assert image_set.class_names == ("a", "b", "c")
    for framework in ("torch", "tensorflow", "numpy"):
        _, some = next(image_set.batches(framework, 2, labels=True))
        assert len(some) == 2


def test_scaled_maps_black_and_white_to_minus_one_and_one():
    images = np.stack([np.zeros((8, 8, 1), np.uint8), np.full((8, 8, 1), 255, np.uint8)])
    scaled = ImageSet("two", images, np.array([0, 1]), ("a", "b")).scaled()
    assert scaled.dtype == np.float32
    assert (scaled[0] == -1).all()
    assert (scaled[1] == 1).all()


@pytest.mark.parametrize("fraction", [0.3, 0.5, 0.7])
def test_split_loses_and_repeats_nothing(fraction):
    whole = tiny(10)
    first, second = whole.split(fraction, seed=3)
    assert len(first) == round(10 * fraction)
    parts = np.concatenate([first.images, second.images])[:, 0, 0, 0]
    assert sorted(parts) == list(range(10))
    for part in (first, second):
        assert np.array_equal(part.labels, part.images[:, 0, 0, 0] % 3)
    assert np.array_equal(first.images, whole.split(fraction, seed=3)[0].images)


@pytest.mark.parametrize(
    ("fraction", "message"),
    [
        (0, "between 0 and 1, but got 0"),
        (1, "between 0 and 1, but got 1"),
        (-0.5, "between 0 and 1, but got -0.5"),
        (2, "between 0 and 1, but got 2"),
    ],
)
def test_impossible_splits_are_refused(fraction, message):
    with pytest.raises(ValueError, match=message):
        tiny(10).split(fraction)


def test_a_size_that_networks_cannot_make_is_named_with_those_that_they_can():
    whole = load_images("digits", size=24)
    whole.require_size(16, 24)
    with pytest.raises(ValueError, match="make pictures of 8, 16, 28 pixels, and 'digits' has 24"):
        whole.require_size(8, 16, 28)
    with pytest.raises(ValueError, match=r"load_images\(..., size=28\)"):
        whole.require_size(8, 16, 28)


def test_a_class_of_one_picture_cannot_be_split():
    whole = ImageSet("mine", tiny(5).images, np.array([0, 0, 1, 2, 2]), ("a", "b", "c"))
    with pytest.raises(ValueError, match="class 'b' has a single picture"):
        whole.split()


@pytest.mark.parametrize("fraction", [0.01, 0.3, 0.8, 0.99])
def test_both_sides_of_a_split_have_every_class(fraction):
    counts = np.array([2, 3, 50, 0, 7])
    labels = np.repeat(np.arange(5), counts)
    whole = ImageSet("mine", np.zeros((62, 2, 2, 1), np.uint8), labels, tuple("abcde"))
    for seed in range(20):
        sides = [np.bincount(s.labels, minlength=5) for s in whole.split(fraction, seed)]
        assert (sum(sides) == counts).all()
        for side in sides:
            assert (side[counts > 0] >= 1).all()
        # Where one picture is not too many, a class is off by one picture at most.
        free = (counts * fraction > 1) & (counts * (1 - fraction) > 1)
        assert (abs(sides[0] - fraction * counts)[free] <= 1).all()


def test_a_small_share_of_many_small_classes_keeps_them_all():
    labels = np.tile(np.arange(30), 3)
    whole = ImageSet("mine", np.zeros((90, 2, 2, 1), np.uint8), labels, tuple(map(str, range(30))))
    for seed in range(200):
        first, second = whole.split(0.8, seed)
        assert (np.bincount(first.labels) == 2).all()
        assert (np.bincount(second.labels) == 1).all()


def test_a_split_has_as_many_pictures_as_the_fraction_asks_for():
    digits = load_images("digits")
    assert [len(side) for side in digits.split(0.5565)] == [1000, 797]
    for fraction in np.linspace(0.05, 0.95, 19):
        assert len(digits.split(fraction)[0]) == round(fraction * len(digits))


def test_a_split_is_four_fifths_and_the_same_each_time_if_nothing_else_is_asked():
    whole = tiny(50)
    first, second = whole.split()
    assert (len(first), len(second)) == (40, 10)
    assert np.array_equal(first.images, whole.split(0.8, seed=0)[0].images)
    assert not np.array_equal(first.images, whole.split(0.8, seed=1)[0].images)


# --- names, sizes and roots ------------------------------------------------------------------


def test_an_unknown_name_lists_the_known_ones():
    with pytest.raises(ValueError, match="'minst'.*" + ".*".join(DATA_SETS)):
        load_images("minst")


@pytest.mark.parametrize("size", [7, 513, 28.0, "28", 0])
def test_impossible_sizes_are_refused(size):
    with pytest.raises(ValueError, match="from 8 to 512"):
        load_images("digits", size=size)
