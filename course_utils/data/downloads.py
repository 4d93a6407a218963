"""Bring published files into a folder that may hold other files, and that others may use, too."""

import gzip
import os
import shutil
import sys
import tarfile
from dataclasses import dataclass
from pathlib import Path

import filelock
import pooch
import requests
from tqdm import tqdm

# Seconds to connect, and without a byte; a server that stalls is as bad as none.
TIMEOUT = (10, 30)
ATTEMPTS = 2
# Seconds that a process waits for another one that downloads the same set.
PATIENCE = 3600


@dataclass(frozen=True)
class Published:
    """A file on a server, and what is unpacked from it.

    Attributes
    ----------
    addresses : tuple of str
        Where it lies; they are tried in turn.
    path : pathlib.PurePath
        Where it goes, below the data root.
    md5 : str
        Its checksum.
    parts : tuple of pathlib.PurePath
        What is unpacked from it, below the data root; empty if it is read as it is.
    """

    addresses: tuple
    path: Path
    md5: str
    parts: tuple = ()

    def missing(self, root):
        """Return what a reader needs and does not find."""
        return [part for part in self.parts or (self.path,) if not (root / part).exists()]


def fetch(files, root, name):
    """Download what is missing; leave alone every file that is there.

    One process at a time works on a root. Files come into a folder of their own and are moved into
    place one by one when they are whole, so a break leaves nothing half-made.

    Raises
    ------
    OSError
        No network, no such file, wrong file, no space, no permission.
    """
    root.mkdir(parents=True, exist_ok=True)
    with filelock.FileLock(root / ".gan-course.lock", timeout=PATIENCE):
        workshop = root / f".gan-course-{name}"  # Nobody else's: what a break left is removed.
        shutil.rmtree(workshop, ignore_errors=True)
        try:
            for file in files:
                if file.missing(root):
                    _bring(file, root, workshop)
        finally:
            shutil.rmtree(workshop, ignore_errors=True)


def _bring(file, root, workshop):
    """Download one file, unpack it, and move all of it into place."""
    workshop.mkdir(exist_ok=True)
    packed = root / file.path
    if not packed.exists() or pooch.file_hash(packed, "md5") != file.md5:
        packed = _download(file, workshop)
    if file.parts:
        _unpack(packed, file, workshop)
    for path in (*file.parts, file.path):
        ready = workshop / path
        if ready.exists() and not (root / path).exists():
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            os.replace(ready, root / path)


def _download(file, workshop):
    """Download one file from the first address that has it."""
    pooch.get_logger().setLevel("WARNING")  # Else it writes into the notebook.
    failures = []
    for address in ATTEMPTS * file.addresses:
        try:
            with tqdm(
                desc=file.path.name,
                total=1,  # The library asks the server for it.
                unit="B",
                unit_scale=True,
                leave=False,
                file=sys.stdout,
                disable=sys.stdout is None,
            ) as bar:
                pooch.retrieve(
                    address,
                    known_hash=f"md5:{file.md5}",
                    fname=file.path.name,
                    path=(workshop / file.path).parent,
                    downloader=pooch.HTTPDownloader(progressbar=bar, timeout=TIMEOUT),
                )
            return workshop / file.path
        except requests.RequestException as error:
            failures.append(_reason(address, error))
        except ValueError:  # The checksum.
            failures.append(f"{address} sent another file than the published one, or a part of it")
    raise OSError("; ".join(dict.fromkeys(failures)))


def _reason(address, error):
    """Say in a few words why a request failed."""
    if isinstance(error, requests.exceptions.SSLError):
        return (
            f"the certificate of {address} was not accepted: this computer's date, its "
            "certificates or a proxy may be the cause"
        )
    if isinstance(error, requests.exceptions.Timeout):
        return f"{address} did not answer for {TIMEOUT[1]} seconds"
    if isinstance(error, requests.exceptions.HTTPError):
        return f"{address} answered {error.response.status_code} {error.response.reason}"
    return f"no connection to {address}"


def _unpack(packed, file, workshop):
    """Unpack a .gz, or the wanted members of an archive; nothing leaves the folder."""
    if packed.name.endswith(".tar.gz"):
        with tarfile.open(packed) as archive:
            archive.extractall(workshop, filter="data")
        return
    (part,) = file.parts
    (workshop / part).parent.mkdir(parents=True, exist_ok=True)
    with gzip.open(packed) as source, open(workshop / part, "wb") as target:
        shutil.copyfileobj(source, target)
