"""Batches: the same pictures in the same order for each framework, and a position."""

import numpy as np
import pytest
from image_files import tiny

from course_utils import ImageSet, to_numpy
from course_utils.data import batches

FRAMEWORKS = ("numpy", "torch", "tensorflow")


def channels_last(batch, framework):
    """Bring a framework's batch to (N, height, width, channels)."""
    array = to_numpy(batch)
    return array.transpose(0, 2, 3, 1) if framework == "torch" else array


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_batches_have_the_frameworks_own_layout(framework, channels):
    images, labels = next(tiny(10, 8, channels).batches(framework, 4, labels=True))
    expected = (4, channels, 8, 8) if framework == "torch" else (4, 8, 8, channels)
    assert tuple(images.shape) == expected
    assert "float32" in str(images.dtype)
    assert "int64" in str(labels.dtype)
    assert -1 <= float(np.asarray(images).min()) <= float(np.asarray(images).max()) <= 1


@pytest.mark.parametrize("count, batch_size", [(10, 1), (10, 3), (10, 7), (10, 10)])
def test_each_framework_gets_the_same_pictures_in_the_same_order(count, batch_size):
    streams = {
        name: tiny(count, channels=3).batches(name, batch_size, seed=5, labels=True)
        for name in FRAMEWORKS
    }
    for _ in range(2 * count):
        taken = {name: next(stream) for name, stream in streams.items()}
        images, labels = taken["numpy"]
        for name, (others, their_labels) in taken.items():
            assert len(others) == batch_size
            # Each library divides by 127.5 in its own way; the last bit may differ.
            np.testing.assert_allclose(channels_last(others, name), images, rtol=0, atol=2e-7)
            assert np.array_equal(np.asarray(their_labels), labels)
        numbers = np.round((images[:, 0, 0, 0] + 1) * 127.5)
        assert np.array_equal(labels, numbers % 3)  # Labels go with their pictures.


@pytest.mark.parametrize("count, batch_size", [(10, 3), (10, 10), (7, 4), (12, 5)])
@pytest.mark.parametrize("seed", [0, 1])
def test_each_pass_sees_each_picture_once(count, batch_size, seed):
    stream = tiny(count).batches("numpy", batch_size, seed)
    seen = np.concatenate([next(stream)[:, 0, 0, 0] for _ in range(5 * count)])
    passes = np.round((seen + 1) * 127.5).astype(int).reshape(-1, count)
    for one_pass in passes:
        assert sorted(one_pass) == list(range(count))
    assert len({tuple(one_pass) for one_pass in passes}) > 1  # Shuffled anew.


@pytest.mark.parametrize("position", [0, 1, 4, 33, 2])
def test_a_stream_can_be_moved(position):
    stream = tiny(10).batches("numpy", 3)
    batches = [next(stream) for _ in range(35)]
    assert stream.position == 35
    stream.position = position
    assert np.array_equal(next(stream), batches[position])
    assert stream.position == position + 1


def test_seeds_decide_the_order():
    first, again, other = (next(tiny(100).batches("numpy", 50, seed)) for seed in (0, 0, 1))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"framework": "jax", "batch_size": 2}, "torch, tensorflow, numpy, but got 'jax'"),
        ({"framework": "numpy", "batch_size": 0}, "from 1 to 10"),
        ({"framework": "numpy", "batch_size": 11}, "from 1 to 10"),
        ({"framework": "numpy", "batch_size": 2.5}, "from 1 to 10"),
    ],
)
def test_impossible_batches_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        tiny(10).batches(**arguments)


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_sets_too_large_for_the_device_give_the_same_batches(framework, monkeypatch):
    small = next(tiny(10).batches(framework, 4, labels=True))
    monkeypatch.setattr(batches, "DEVICE_LIMIT", 1)
    large = next(tiny(10).batches(framework, 4, labels=True))
    for one, other in zip(small, large, strict=True):
        assert np.array_equal(np.asarray(one), np.asarray(other))


def test_a_set_lives_on_the_device_up_to_the_limit(monkeypatch):
    image_set = tiny(10)
    for limit, home in ((640, "device"), (641, "device"), (639, "main memory")):
        monkeypatch.setattr(batches, "DEVICE_LIMIT", limit)
        assert batches._home(image_set, "device", "main memory") == home


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_batches_are_64_pictures_alone_if_nothing_else_is_asked(framework):
    stream = tiny(100).batches(framework)
    same, other = (tiny(100).batches(framework, 64, seed) for seed in (0, 1))
    first = to_numpy(next(stream))
    assert len(first) == 64
    assert np.array_equal(first, to_numpy(next(same)))
    assert not np.array_equal(first, to_numpy(next(other)))


def test_black_is_minus_one_and_white_is_one():
    levels = {0: -1, 51: -0.6, 255: 1}
    images = np.array(list(levels), np.uint8)[:, None, None, None] * np.ones((1, 8, 8, 1), np.uint8)
    image_set = ImageSet("levels", images, np.arange(3), tuple("abc"))
    for framework in FRAMEWORKS:
        pictures, labels = next(image_set.batches(framework, 3, labels=True))
        expected = np.array(list(levels.values()))[to_numpy(labels)]
        np.testing.assert_allclose(to_numpy(pictures)[:, 0, 0, 0], expected, atol=1e-6)
    np.testing.assert_allclose(image_set.scaled()[:, 0, 0, 0], list(levels.values()), atol=1e-6)
