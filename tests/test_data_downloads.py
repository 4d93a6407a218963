"""Downloads from a server that fails in every way there is, into folders that others use."""

import contextlib
import functools
import gzip
import hashlib
import http.server
import io
import os
import shutil
import subprocess
import sys
import tarfile
import threading
import time
from pathlib import Path

import pytest
from image_files import craft, files_in, mounted
from torchvision import datasets

from course_utils import load_images
from course_utils.data import downloads

RAW = "FashionMNIST/raw"
WHOLE = {f"{RAW}/{part}-{kind}-ubyte{packed}" for part in ("train", "t10k")
         for kind in ("images-idx3", "labels-idx1") for packed in ("", ".gz")}  # fmt: skip
CHOICES = "Without a network use 'digits' or 'street', or 'folder'"


class Server(http.server.ThreadingHTTPServer):
    """Serves a folder; `faults` holds what goes wrong with the next requests, `asked` the paths."""

    def __init__(self, folder):
        self.faults, self.asked, self.closing = [], [], threading.Event()
        super().__init__(("127.0.0.1", 0), functools.partial(Handler, directory=folder))

    @property
    def address(self):
        return f"http://127.0.0.1:{self.server_port}/"


class Handler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        self.server.asked.append(self.path)

    def do_GET(self):
        fault = self.server.faults.pop(0) if self.server.faults else None
        if isinstance(fault, int):
            return self.send_error(fault)
        if fault == "hang":
            self.server.closing.wait(60)
            return None
        if fault is None:
            return super().do_GET()
        with open(self.translate_path(self.path), "rb") as file:
            data = file.read()
        self.send_response(200)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(b"x" * len(data) if fault == "other" else data[: len(data) // 2])
        self.wfile.flush()
        if fault == "stall":
            self.server.closing.wait(60)
        self.close_connection = True
        return None


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    """A crafted Fashion-MNIST, packed as on its server; yields the folder and the checksums."""
    folder = tmp_path_factory.mktemp("mirror")
    with pytest.MonkeyPatch.context() as patch:
        craft("fashion_mnist", folder, 20, patch)
    raw = folder / RAW
    resources = []
    for file in sorted(raw.iterdir()):
        packed = gzip.compress(file.read_bytes())
        file.with_name(f"{file.name}.gz").write_bytes(packed)
        resources.append((f"{file.name}.gz", hashlib.md5(packed).hexdigest()))
    return raw, resources


@pytest.fixture
def server(published, monkeypatch):
    raw, resources = published
    with Server(raw) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        monkeypatch.setattr(datasets.FashionMNIST, "mirrors", [running.address])
        monkeypatch.setattr(datasets.FashionMNIST, "resources", resources)
        monkeypatch.setattr(downloads, "TIMEOUT", (5, 2))
        yield running
        running.closing.set()
        running.shutdown()


def load(root):
    return load_images("fashion_mnist", root=root)


def visible(root):
    return {name for name in files_in(root) if not name.startswith(".gan-course.lock")}


FAULTS = [403, 404, 503, "half", "other", "hang", "stall"]


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_that_passes_is_recovered(server, tmp_path, fault, capfd):
    server.faults += [fault]
    assert len(load(tmp_path)) == 20
    assert visible(tmp_path) == WHOLE
    assert len(server.asked) >= 4
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_that_stays_is_one_error_and_a_later_run_succeeds(server, tmp_path, fault):
    server.faults += [None, fault] + [fault] * 9
    with pytest.raises(OSError, match="could not be downloaded") as caught:
        load(tmp_path)
    assert CHOICES in str(caught.value)
    assert server.address in str(caught.value)
    if isinstance(fault, int):
        assert f"answered {fault}" in str(caught.value)
    assert len(visible(tmp_path)) == 2  # The first file and what was packed in it.
    server.faults.clear()
    assert len(load(tmp_path)) == 20
    assert visible(tmp_path) == WHOLE


def test_a_second_load_asks_for_nothing(server, tmp_path):
    load(tmp_path)
    server.asked.clear()
    assert len(load(tmp_path)) == 20
    assert server.asked == []


def test_nothing_of_the_student_is_touched(server, tmp_path):
    """Neither a file beside the set's, nor one in the place of the set's."""
    raw = tmp_path / RAW
    load(tmp_path)
    mine = {"FashionMNIST/mine.txt": b"notes", f"{RAW}/t10k-labels-idx1-ubyte.gz": b"my own"}
    for name, content in mine.items():
        (tmp_path / name).write_bytes(content)
    (raw / "t10k-labels-idx1-ubyte").unlink()
    assert len(load(tmp_path)) == 20
    assert (raw / "t10k-labels-idx1-ubyte").exists()
    for name, content in mine.items():
        assert (tmp_path / name).read_bytes() == content


def test_a_packed_file_that_is_there_is_not_downloaded(server, tmp_path):
    load(tmp_path)
    (tmp_path / RAW / "train-images-idx3-ubyte").unlink()
    server.asked.clear()
    assert len(load(tmp_path)) == 20
    assert server.asked == []


def test_what_a_killed_download_left_is_removed(server, tmp_path):
    left = tmp_path / ".gan-course-fashion_mnist" / RAW / "train-images-idx3-ubyte"
    left.parent.mkdir(parents=True)
    left.write_bytes(b"half a file")
    assert len(load(tmp_path)) == 20
    assert visible(tmp_path) == WHOLE


def test_a_keyboard_interrupt_leaves_nothing_half_made(server, tmp_path, monkeypatch):
    def interrupted(*_args, **_options):
        (tmp_path / ".gan-course-fashion_mnist" / "half").write_bytes(b"")
        raise KeyboardInterrupt

    monkeypatch.setattr(downloads.pooch, "retrieve", interrupted)
    with pytest.raises(KeyboardInterrupt):
        load(tmp_path)
    assert visible(tmp_path) == set()


def test_certificates_are_named(monkeypatch, tmp_path):
    def refused(*_args, **_options):
        raise downloads.requests.exceptions.SSLError("CERTIFICATE_VERIFY_FAILED")

    monkeypatch.setattr(downloads.pooch, "retrieve", refused)
    with pytest.raises(OSError, match="the certificate of .* was not accepted"):
        load(tmp_path)


# --- disks -------------------------------------------------------------------------------------


def test_a_full_disk_is_one_clear_error(server, tmp_path):
    with mounted(tmp_path / "disk", "size=20k") as root:
        with pytest.raises(OSError, match="No space left on device") as caught:
            load(root)
        assert CHOICES in str(caught.value)
        assert not [name for name in visible(root) if name.startswith(".gan-course-")]
        subprocess.run(["mount", "-o", "remount,size=1m", str(root)], check=True)
        assert len(load(root)) == 20


def test_a_read_only_folder_is_read_and_not_written(server, tmp_path):
    with mounted(tmp_path / "disk", "size=1m") as root:
        load(root)
        subprocess.run(["mount", "-o", "remount,ro", str(root)], check=True)
        assert len(load(root)) == 20
        subprocess.run(["mount", "-o", "remount,rw", str(root)], check=True)
        (root / RAW / "train-images-idx3-ubyte").unlink()
        subprocess.run(["mount", "-o", "remount,ro", str(root)], check=True)
        with pytest.raises(OSError, match="Read-only file system") as caught:
            load(root)
        assert CHOICES in str(caught.value)


# --- several at once ---------------------------------------------------------------------------

RACE = """
import sys, time
from pathlib import Path
from course_utils.data.downloads import Published, fetch
address, start, resources, *roots = sys.argv[1:]
files = [
    Published((address + name,), Path(name), md5, (Path(name.removesuffix(".gz")),))
    for name, md5 in eval(resources)
]
for root in map(Path, roots):
    while time.time() < float(start):
        pass
    fetch(files, root, "set")
    assert not any(file.missing(root) for file in files)
print("done")
"""


def test_three_processes_that_load_at_once_all_succeed(server, published, tmp_path):
    """Twenty races; each file is downloaded once in each."""
    roots = [str(tmp_path / f"race {number}") for number in range(20)]
    arguments = [server.address, str(time.time() + 4), repr(published[1]), *roots]
    racers = [
        subprocess.Popen(
            [sys.executable, "-c", RACE, *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(3)
    ]
    outcomes = [racer.communicate(timeout=1800) for racer in racers]
    assert [out.splitlines()[-1:] for out, _ in outcomes] == [["done"]] * 3, outcomes
    assert len(server.asked) == 4 * len(roots)


# --- archives ----------------------------------------------------------------------------------


def archive(members):
    """Return a .tar.gz with members by name."""
    stored = io.BytesIO()
    with tarfile.open(fileobj=stored, mode="w:gz") as tar:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return stored.getvalue()


@pytest.mark.parametrize("escape", ["../outside", "/tmp/outside-of-the-course"])
def test_an_archive_cannot_leave_its_folder(tmp_path, escape):
    packed = tmp_path / "set.tar.gz"
    packed.write_bytes(archive({"inside/part": b"good", escape: b"bad"}))
    md5 = hashlib.md5(packed.read_bytes()).hexdigest()
    parts = (Path("inside") / "part",)
    file = downloads.Published(("http://127.0.0.1:1/",), Path(packed.name), md5, parts)
    root = tmp_path / "root"
    root.mkdir()
    shutil.move(packed, root)
    with contextlib.suppress(tarfile.FilterError):
        downloads.fetch([file], root, "set")
    assert not os.path.exists("/tmp/outside-of-the-course")
    assert not (tmp_path / "outside").exists() and not (root / "outside").exists()
    assert files_in(root) <= {"set.tar.gz", ".gan-course.lock", "inside/part"}
