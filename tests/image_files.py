"""Small image sets, small files in the formats of the large ones, and small disks."""

import contextlib
import pickle
import shutil
import struct
import subprocess
from pathlib import Path

import numpy as np
import pytest
import scipy.io
from torchvision import datasets

from course_utils import ImageSet, load_images
from course_utils.data import downloaded


def files_in(folder):
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def tiny(count=10, size=8, channels=1, classes=3):
    """Pictures that can be told apart: each is filled with its own number."""
    images = np.zeros((count, size, size, channels), np.uint8)
    images += np.arange(count, dtype=np.uint8)[:, None, None, None]
    names = tuple("abc"[:classes])
    return ImageSet("tiny", images, np.arange(count) % classes, names)


def idx(array):
    """Write an array in MNIST's file format."""
    return struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape) + array.tobytes()


def craft(name, root, count, monkeypatch):
    """Write a tiny set in the real format where torchvision looks for it."""
    rng = np.random.default_rng(0)
    labels = np.arange(count, dtype=np.uint8) % 10
    if name in ("mnist", "fashion_mnist"):
        monkeypatch.setattr(downloaded, "RAW_MD5", {})  # Of the real files.
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
        if number == 1:  # The layout has test pictures, too.
            shutil.copy(folder / "data_batch_1", folder / "test_batch")
    names = [f"kind {number}" for number in range(10)]
    (folder / "batches.meta").write_bytes(pickle.dumps({"label_names": names}))
    return images, labels


def _files_are_there(name):
    """Stand in for the checksum, which no crafted file has."""
    return lambda loader: (Path(loader.root) / name).exists()


def cut(data):
    return data[: len(data) // 2]


def one_picture(folder, picture, suffix="png", **options):
    """Save a picture as the only one of its folder and load it; options go to where they belong."""
    names = ("fit", "background", "channels")
    loading = {name: options.pop(name) for name in names if name in options}
    path = folder / "a" / f"one.{suffix}"
    shutil.rmtree(path.parent, ignore_errors=True)
    path.parent.mkdir()
    picture.save(path, **options)
    return load_images("folder", root=folder, **loading)


@contextlib.contextmanager
def mounted(folder, options):
    """Mount a small file system of its own; skip where that is not allowed."""
    folder.mkdir(exist_ok=True)
    command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]
    if shutil.which("mount") is None or subprocess.run(command, capture_output=True).returncode:
        pytest.skip("needs the right to mount a tmpfs")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)
