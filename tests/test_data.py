"""Image sets: pictures, batches, files that are missing or damaged, and your own folder."""

import functools
import gzip
import hashlib
import http.server
import os
import pickle
import shutil
import socket
import struct
import threading
from pathlib import Path

import numpy as np
import pytest
import scipy.io
from PIL import Image
from torchvision import datasets

from course_utils import DATA_SETS, ImageSet, load_images
from course_utils.data import DOWNLOADED, OFFLINE

FRAMEWORKS = ("numpy", "torch", "tensorflow")


def real_data():
    """Return where real MNIST may lie, outside the repository; None if it does not."""
    beside = Path(__file__).resolve().parents[2] / "shared" / "data"
    places = [Path(os.environ["COURSE_DATA"])] if "COURSE_DATA" in os.environ else []
    return next((p for p in [*places, beside] if (p / "MNIST" / "raw").is_dir()), None)


@pytest.fixture(autouse=True)
def no_data_of_this_machine(monkeypatch, tmp_path):
    monkeypatch.delenv("COURSE_DATA", raising=False)
    monkeypatch.setattr(
        "course_utils.data.platformdirs.user_cache_path", lambda name: tmp_path / "cache" / name
    )


def files_in(folder):
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


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


def tiny(count=10, size=8, channels=1, classes=3):
    """Pictures that can be told apart: each is filled with its own number."""
    images = np.zeros((count, size, size, channels), np.uint8)
    images += np.arange(count, dtype=np.uint8)[:, None, None, None]
    names = tuple("abc"[:classes])
    return ImageSet("tiny", images, np.arange(count) % classes, names)


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


def test_scaled_maps_black_and_white_to_minus_one_and_one():
    images = np.stack([np.zeros((8, 8, 1), np.uint8), np.full((8, 8, 1), 255, np.uint8)])
    scaled = ImageSet("two", images, np.array([0, 1]), ("a", "b")).scaled()
    assert scaled.dtype == np.float32
    assert (scaled[0] == -1).all()
    assert (scaled[1] == 1).all()


@pytest.mark.parametrize("fraction", [0.1, 0.5, 0.8])
def test_split_loses_and_repeats_nothing(fraction):
    whole = tiny(10)
    first, second = whole.split(fraction, seed=3)
    assert len(first) == round(10 * fraction)
    parts = np.concatenate([first.images, second.images])[:, 0, 0, 0]
    assert sorted(parts) == list(range(10))
    for part in (first, second):
        assert np.array_equal(part.labels, part.images[:, 0, 0, 0] % 3)
    assert np.array_equal(first.images, whole.split(fraction, seed=3)[0].images)


@pytest.mark.parametrize("fraction", [0, 1, -0.5, 2, 0.01])
def test_impossible_splits_are_refused(fraction):
    with pytest.raises(ValueError, match="fraction|cannot be split"):
        tiny(10).split(fraction)


# --- batches ---------------------------------------------------------------------------------


def to_numpy(batch, framework):
    """Bring a framework's batch to (N, height, width, channels)."""
    array = np.asarray(batch)
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
            np.testing.assert_allclose(to_numpy(others, name), images, rtol=0, atol=2e-7)
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
    monkeypatch.setattr("course_utils.data.DEVICE_LIMIT", 1)
    large = next(tiny(10).batches(framework, 4, labels=True))
    for one, other in zip(small, large, strict=True):
        assert np.array_equal(np.asarray(one), np.asarray(other))


# --- names, sizes and roots ------------------------------------------------------------------


def test_an_unknown_name_lists_the_known_ones():
    with pytest.raises(ValueError, match="'minst'.*" + ".*".join(DATA_SETS)):
        load_images("minst")


@pytest.mark.parametrize("size", [7, 513, 28.0, "28", 0])
def test_impossible_sizes_are_refused(size):
    with pytest.raises(ValueError, match="from 8 to 512"):
        load_images("digits", size=size)


def test_the_root_is_the_argument_else_the_variable_else_the_cache(tmp_path, monkeypatch):
    """Three roots hold sets of one, two and three pictures."""
    for place, count in (("cache/gan-course", 3), ("variable", 2), ("argument", 1)):
        craft("fashion_mnist", tmp_path / place, count, monkeypatch)
    assert len(load_images("fashion_mnist")) == 3
    monkeypatch.setenv("COURSE_DATA", str(tmp_path / "variable"))
    assert len(load_images("fashion_mnist")) == 2
    assert len(load_images("fashion_mnist", root=tmp_path / "argument")) == 1
    assert len(load_images("fashion_mnist", root=str(tmp_path / "argument"))) == 1


# --- torchvision's own readers ---------------------------------------------------------------


def test_real_mnist_reads_without_a_network():
    place = real_data()
    if place is None:
        pytest.skip("no real MNIST: neither COURSE_DATA nor ../shared/data holds MNIST/raw")
    with pytest.raises(OSError, match="without a network"):
        socket.create_connection(("example.org", 80))
    image_set = load_images("mnist", root=place)
    assert image_set.images.shape == (60_000, 28, 28, 1)
    assert np.bincount(image_set.labels).tolist()[:3] == [5923, 6742, 5958]
    assert len(image_set.class_names) == 10


def idx(array):
    """Write an array in MNIST's file format."""
    return struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape) + array.tobytes()


def craft(name, root, count, monkeypatch):
    """Write a tiny set in the real format where torchvision looks for it."""
    rng = np.random.default_rng(0)
    labels = np.arange(count, dtype=np.uint8) % 10
    if name in ("mnist", "fashion_mnist"):
        raw = root / ("MNIST" if name == "mnist" else "FashionMNIST") / "raw"
        raw.mkdir(parents=True)
        images = rng.integers(256, size=(count, 28, 28), dtype=np.uint8)
        for part in ("train", "t10k"):
            (raw / f"{part}-images-idx3-ubyte").write_bytes(idx(images))
            (raw / f"{part}-labels-idx1-ubyte").write_bytes(idx(labels))
        return images[..., None], labels
    images = rng.integers(256, size=(count, 32, 32, 3), dtype=np.uint8)
    root.mkdir(parents=True, exist_ok=True)
    if name == "svhn":
        monkeypatch.setattr(datasets.SVHN, "_check_integrity", _files_are_there("train_32x32.mat"))
        mat_labels = np.where(labels == 0, 10, labels)[:, None]  # The files call the zero "10".
        mat = {"X": images.transpose(1, 2, 3, 0), "y": mat_labels}
        scipy.io.savemat(root / "train_32x32.mat", mat)
        return images, labels
    folder = root / "cifar-10-batches-py"
    folder.mkdir()
    monkeypatch.setattr(datasets.CIFAR10, "_check_integrity", _files_are_there(folder.name))
    monkeypatch.setitem(datasets.CIFAR10.meta, "md5", None)
    parts = np.array_split(np.arange(count), 5)
    for number, part in enumerate(parts, start=1):
        rows = images[part].transpose(0, 3, 1, 2).reshape(len(part), -1)
        entry = {"data": rows, "labels": labels[part].tolist()}
        (folder / f"data_batch_{number}").write_bytes(pickle.dumps(entry))
    names = [f"kind {number}" for number in range(10)]
    (folder / "batches.meta").write_bytes(pickle.dumps({"label_names": names}))
    return images, labels


def _files_are_there(name):
    """Stand in for the checksum, which no crafted file has."""
    return lambda loader: (Path(loader.root) / name).exists()


@pytest.mark.parametrize("name", DOWNLOADED)
def test_torchvisions_files_are_read_as_they_are(name, tmp_path, monkeypatch):
    images, labels = craft(name, tmp_path, 20, monkeypatch)
    image_set = load_images(name, root=tmp_path)
    assert image_set.name == name
    assert np.array_equal(image_set.images, images)
    assert np.array_equal(image_set.labels, labels)
    assert len(image_set.class_names) == 10
    smaller = load_images(name, size=16, root=tmp_path)
    assert smaller.images.shape == (20, 16, 16, images.shape[3])


@pytest.mark.parametrize("name", DOWNLOADED)
def test_without_files_and_network_the_error_names_the_offline_choices(name, tmp_path):
    with pytest.raises(OSError, match="could not be downloaded") as caught:
        load_images(name, root=tmp_path / "data")
    assert "'digits' or 'street', or 'folder'" in str(caught.value)
    assert "COURSE_DATA" in str(caught.value)
    assert files_in(tmp_path) == set()
    assert list((tmp_path / "data").iterdir()) == []


@pytest.mark.parametrize("stop", [RuntimeError("checksum"), OSError("reset"), KeyboardInterrupt()])
def test_an_interrupted_download_leaves_nothing_half_made(tmp_path, monkeypatch, stop):
    def half(loader):
        folder = Path(loader.root) / "FashionMNIST" / "raw"
        folder.mkdir(parents=True)
        (folder / "train-images-idx3-ubyte").write_bytes(b"half a file")
        raise stop

    monkeypatch.setattr(datasets.FashionMNIST, "download", half)
    (tmp_path / "mine.txt").write_text("not yours")
    with pytest.raises(KeyboardInterrupt if isinstance(stop, KeyboardInterrupt) else OSError):
        load_images("fashion_mnist", root=tmp_path)
    assert files_in(tmp_path) == {"mine.txt"}
    assert len(list(tmp_path.iterdir())) == 1


@pytest.fixture
def mirror(tmp_path, monkeypatch):
    """Serve a crafted Fashion-MNIST from this machine; yield the list of what was asked for."""
    folder, asked = tmp_path / "mirror", []
    craft("fashion_mnist", folder, 20, monkeypatch)
    raw = folder / "FashionMNIST" / "raw"
    resources = []
    for file in sorted(raw.iterdir()):
        packed = gzip.compress(file.read_bytes())
        file.with_name(f"{file.name}.gz").write_bytes(packed)
        resources.append((f"{file.name}.gz", hashlib.md5(packed).hexdigest()))

    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_):
            asked.append(self.path)

    handler = functools.partial(Handler, directory=raw)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_port}/"
        monkeypatch.setattr(datasets.FashionMNIST, "mirrors", [address])
        monkeypatch.setattr(datasets.FashionMNIST, "resources", resources)
        yield asked
        server.shutdown()


def test_a_download_is_moved_into_place_and_not_repeated(tmp_path, mirror):
    (tmp_path / "data" / "FashionMNIST" / "raw").mkdir(parents=True)  # What a crash left behind.
    assert len(load_images("fashion_mnist", root=tmp_path / "data")) == 20
    assert len({path for path in mirror if path.endswith(".gz")}) == 4
    mirror.clear()
    assert len(load_images("fashion_mnist", root=tmp_path / "data")) == 20
    assert mirror == []
    assert [path.name for path in (tmp_path / "data").iterdir()] == ["FashionMNIST"]


def test_a_download_with_another_checksum_is_refused(tmp_path, mirror, monkeypatch):
    wrong = [(name, "0" * 32) for name, _ in datasets.FashionMNIST.resources]
    monkeypatch.setattr(datasets.FashionMNIST, "resources", wrong)
    with pytest.raises(OSError, match="could not be downloaded"):
        load_images("fashion_mnist", root=tmp_path / "data")
    assert mirror
    assert files_in(tmp_path / "data") == set()


def test_a_root_that_cannot_be_written_is_one_clear_error(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OSError, match="'digits' or 'street'"):
        load_images("mnist", root=tmp_path / "file")


def cut(data):
    return data[: len(data) // 2]


@pytest.mark.parametrize("damage", [cut, lambda data: b"", lambda data: b"\xff" * 100])
@pytest.mark.parametrize("part", ["train-images-idx3-ubyte", "train-labels-idx1-ubyte"])
def test_a_damaged_file_is_one_clear_error(tmp_path, monkeypatch, part, damage):
    craft("mnist", tmp_path, 20, monkeypatch)
    file = tmp_path / "MNIST" / "raw" / part
    file.write_bytes(damage(file.read_bytes()))
    with pytest.raises(OSError, match="'mnist'.*damaged.*Delete them and load the set again"):
        load_images("mnist", root=tmp_path)
    assert file.exists()


@pytest.mark.parametrize("name", ["svhn", "cifar10"])
def test_a_damaged_archive_is_one_clear_error(tmp_path, monkeypatch, name):
    craft(name, tmp_path, 20, monkeypatch)
    file = next(path for path in sorted(tmp_path.rglob("*")) if path.suffix in (".mat", "")
                and path.is_file())  # fmt: skip
    file.write_bytes(cut(file.read_bytes()))
    with pytest.raises(OSError, match=f"'{name}'.*damaged"):
        load_images(name, root=tmp_path)


# --- your own pictures -----------------------------------------------------------------------


def picture(path, mode="L", size=(40, 40), colour=200):
    path.parent.mkdir(parents=True, exist_ok=True)
    fill = colour if mode in ("L", "1", "P") else (colour, 100, 50, 255)[: len(mode)]
    Image.new(mode, size, fill).save(path)


@pytest.mark.parametrize(
    ("modes", "channels"),
    [(("L", "L"), 1), (("1", "L"), 1), (("RGB", "RGB"), 3), (("L", "RGB"), 3), (("RGBA", "P"), 3)],
)
def test_a_folder_is_grey_only_if_every_picture_is(tmp_path, modes, channels):
    for name, mode in zip("ab", modes, strict=True):
        picture(tmp_path / name / "one.png", mode)
    image_set = load_images("folder", root=tmp_path)
    assert image_set.images.shape == (2, 32, 32, channels)
    assert image_set.class_names == ("a", "b")


def test_a_folder_in_every_known_format_nested_and_in_order(tmp_path):
    for number, suffix in enumerate(["png", "jpg", "JPEG", "bmp", "gif", "webp"]):
        picture(tmp_path / "zebra" / "deep" / "down" / f"{number}.{suffix}")
    picture(tmp_path / "ant" / "x.png")
    (tmp_path / "ant" / "notes.txt").write_text("ignored")
    (tmp_path / "readme.md").write_text("ignored")
    image_set = load_images("folder", size=8, root=str(tmp_path))
    assert image_set.class_names == ("ant", "zebra")
    assert image_set.labels.tolist() == [0] + [1] * 6


@pytest.mark.parametrize("size", [(64, 32), (32, 64), (33, 90), (9, 8)])
def test_pictures_that_are_not_square_are_cut_in_the_middle(tmp_path, size):
    """A white square in the middle of black borders fills the whole result."""
    width, height = size
    side = min(size)
    page = Image.new("L", size, 0)
    page.paste(255, ((width - side) // 2, (height - side) // 2,
                     (width - side) // 2 + side, (height - side) // 2 + side))  # fmt: skip
    (tmp_path / "a").mkdir()
    page.save(tmp_path / "a" / "one.png")
    assert (load_images("folder", size=16, root=tmp_path).images == 255).all()


def test_hidden_folders_are_no_classes(tmp_path):
    picture(tmp_path / "cats" / "one.png")
    (tmp_path / ".ipynb_checkpoints").mkdir()
    assert load_images("folder", root=tmp_path).class_names == ("cats",)


@pytest.mark.parametrize("trouble", [cut, lambda data: b"", lambda data: b"no picture at all"])
def test_an_unreadable_picture_is_named(tmp_path, trouble):
    picture(tmp_path / "a" / "good.png")
    rng = np.random.default_rng(0)
    noise = Image.fromarray(rng.integers(256, size=(40, 40, 3), dtype=np.uint8))
    noise.save(tmp_path / "a" / "bad.png")
    bad = tmp_path / "a" / "bad.png"
    bad.write_bytes(trouble(bad.read_bytes()))
    with pytest.raises(OSError, match="bad.png is not a readable picture.*Mend or remove"):
        load_images("folder", root=tmp_path)


def test_missing_and_empty_folders_are_named(tmp_path):
    with pytest.raises(ValueError, match="needs root="):
        load_images("folder")
    with pytest.raises(FileNotFoundError, match="There is no folder .*nowhere"):
        load_images("folder", root=tmp_path / "nowhere")
    with pytest.raises(FileNotFoundError, match="one folder a class"):
        load_images("folder", root=tmp_path)
    picture(tmp_path / "loose.png")
    with pytest.raises(FileNotFoundError, match="one folder a class"):
        load_images("folder", root=tmp_path)
    picture(tmp_path / "full" / "one.png")
    (tmp_path / "hollow").mkdir()
    with pytest.raises(FileNotFoundError, match="No pictures in .*hollow"):
        load_images("folder", root=tmp_path)
    shutil.rmtree(tmp_path / "hollow")
    assert len(load_images("folder", root=tmp_path)) == 1
