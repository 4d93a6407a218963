"""Sets that torchvision reads: where they lie, damage and no network."""

import gzip
import hashlib
import os
import socket
from pathlib import Path

import numpy as np
import pytest
from image_files import craft, cut, files_in
from torchvision import datasets

from course_utils import load_images
from course_utils.data import downloaded
from course_utils.data.downloaded import DOWNLOADED
from course_utils.data.resizing import resize


def real_data():
    """Return where real MNIST may lie, outside the repository; None if it does not."""
    beside = Path(__file__).resolve().parents[2] / "shared" / "data"
    places = [Path(os.environ["COURSE_DATA"])] if "COURSE_DATA" in os.environ else []
    return next((p for p in [*places, beside] if (p / "MNIST" / "raw").is_dir()), None)


@pytest.fixture(autouse=True)
def no_data_of_this_machine(monkeypatch, tmp_path):
    monkeypatch.delenv("COURSE_DATA", raising=False)
    monkeypatch.setattr("platformdirs.user_cache_path", lambda name: tmp_path / "cache" / name)


def test_the_root_is_the_argument_else_the_variable_else_the_cache(tmp_path, monkeypatch):
    """Three roots hold sets of one, two and three pictures."""
    for place, count in (("cache/gan-course", 3), ("variable", 2), ("argument", 1)):
        craft("fashion_mnist", tmp_path / place, count, monkeypatch)
    assert len(load_images("fashion_mnist")) == 3
    monkeypatch.setenv("COURSE_DATA", str(tmp_path / "variable"))
    assert len(load_images("fashion_mnist")) == 2
    assert len(load_images("fashion_mnist", root=tmp_path / "argument")) == 1
    assert len(load_images("fashion_mnist", root=str(tmp_path / "argument"))) == 1


def test_the_home_of_the_user_is_expanded(tmp_path, monkeypatch):
    for variable in ("HOME", "USERPROFILE"):
        monkeypatch.setenv(variable, str(tmp_path))
    craft("fashion_mnist", tmp_path / "data", 2, monkeypatch)
    monkeypatch.setenv("COURSE_DATA", "~/data")
    assert len(load_images("fashion_mnist")) == 2


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
    expected = [resize(image.squeeze(), 16) for image in images]
    assert np.array_equal(smaller.images.squeeze(), expected)


@pytest.mark.parametrize("name", DOWNLOADED)
def test_without_files_and_network_the_error_names_the_offline_choices(name, tmp_path):
    with pytest.raises(OSError, match="could not be downloaded") as caught:
        load_images(name, root=tmp_path / "data")
    assert "'digits' or 'street', or 'folder'" in str(caught.value)
    assert "COURSE_DATA" in str(caught.value)
    assert files_in(tmp_path) <= {"data/.gan-course.lock"}


def test_a_root_that_cannot_be_written_is_one_clear_error(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OSError, match="'digits' or 'street'"):
        load_images("mnist", root=tmp_path / "file")


@pytest.mark.parametrize("damage", [cut, lambda data: b"", lambda data: b"\xff" * 100])
@pytest.mark.parametrize("part", ["train-images-idx3-ubyte", "train-labels-idx1-ubyte"])
def test_a_damaged_file_is_one_clear_error(tmp_path, monkeypatch, part, damage):
    craft("mnist", tmp_path, 20, monkeypatch)
    file = tmp_path / "MNIST" / "raw" / part
    file.write_bytes(damage(file.read_bytes()))
    with pytest.raises(OSError, match="'mnist'.*damaged.*Delete them and load the set again"):
        load_images("mnist", root=tmp_path)
    assert file.exists()


@pytest.mark.parametrize("packed", [True, False])
def test_a_single_shifted_byte_is_found(tmp_path, monkeypatch, packed):
    """By the checksum that the .gz ends with, or by the published one of the raw file."""
    craft("mnist", tmp_path, 20, monkeypatch)
    raw = tmp_path / "MNIST" / "raw"
    file = raw / "train-images-idx3-ubyte"
    good = file.read_bytes()
    if packed:
        bundle = gzip.compress(good)
        (raw / f"{file.name}.gz").write_bytes(bundle)
        resources = [(f"{file.name}.gz", hashlib.md5(bundle).hexdigest())]
        monkeypatch.setattr(datasets.MNIST, "resources", resources)
    else:
        published = {f"MNIST/raw/{file.name}": hashlib.md5(good).hexdigest()}
        monkeypatch.setattr(downloaded, "RAW_MD5", published)
    assert len(load_images("mnist", root=tmp_path)) == 20
    file.write_bytes(good[:500] + bytes([good[500] ^ 1]) + good[501:])
    with pytest.raises(OSError, match=f"{file.name} is not .*Delete them and load the set again"):
        load_images("mnist", root=tmp_path)


@pytest.mark.parametrize("name", ["svhn", "cifar10"])
def test_a_damaged_archive_is_one_clear_error(tmp_path, monkeypatch, name):
    craft(name, tmp_path, 20, monkeypatch)
    file = next(path for path in sorted(tmp_path.rglob("*")) if path.suffix in (".mat", "")
                and path.is_file())  # fmt: skip
    file.write_bytes(cut(file.read_bytes()))
    with pytest.raises(OSError, match=f"'{name}'.*damaged"):
        load_images(name, root=tmp_path)
