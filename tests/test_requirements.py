"""The pins, their hashed lock and pyproject.toml agree, and name everything that is imported."""

import ast
import importlib.metadata
import re
import tomllib
from pathlib import Path

import nbformat
import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).resolve().parents[1]
ROOMS = ("course", "test", "authoring")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
LOCK = (ROOT / "requirements" / "lock.txt").read_text(encoding="utf-8")
PYTHONS = ("3.11", "3.12", "3.13")
SYSTEMS = {
    "Linux": {"sys_platform": "linux", "os_name": "posix", "platform_machine": "x86_64"},
    "Linux on ARM": {"sys_platform": "linux", "os_name": "posix", "platform_machine": "aarch64"},
    "macOS": {"sys_platform": "darwin", "os_name": "posix", "platform_machine": "arm64"},
    "Windows": {"sys_platform": "win32", "os_name": "nt", "platform_machine": "AMD64"},
}
# Pinned for what they run, not for what they export.
PROGRAMS = {"jupyterlab", "pydot", "pytest-xdist", "ruff", "jupytext", "uv"}


def read(room):
    """Return the requirements of one readable file, by name."""
    text = (ROOT / "requirements" / f"{room}.txt").read_text(encoding="utf-8")
    lines = (line.partition("#")[0].strip() for line in text.splitlines())
    return {canonicalize_name(r.name): r for r in map(Requirement, filter(None, lines))}


def read_lock(text):
    """Return the lock's entries, each a requirement and its hashes."""
    blocks = re.findall(r"^(\S.*==.*?)((?: \\\n +--hash=\S+)*)$", text, re.MULTILINE)
    hashes = re.compile(r"sha256:[0-9a-f]{64}\b")
    return [(Requirement(line), hashes.findall(rest)) for line, rest in blocks]


def version(requirement):
    """Return the version of a pin."""
    (only,) = requirement.specifier
    assert only.operator == "==", f"{requirement} is no pin"
    return only.version


def chosen(entries, system, python):
    """Return the names and versions that an installation on this system takes."""
    environment = SYSTEMS[system] | {
        "python_version": python,
        "python_full_version": f"{python}.9",
        "implementation_name": "cpython",
        "platform_python_implementation": "CPython",
    }
    taken = {}
    for requirement, _ in entries:
        if requirement.marker is None or requirement.marker.evaluate(environment):
            name = canonicalize_name(requirement.name)
            assert name not in taken, f"{name} is there twice on {system} with Python {python}"
            taken[name] = version(requirement)
    return taken


def disagreements(pins, text):
    """Say what is wrong with a lock; nothing if it agrees with the pins."""
    entries = read_lock(text)
    for requirement, hashes in entries:
        if not hashes:
            yield f"{requirement} has no hash"
    for word in ("://", "index-url", "find-links", "trusted-host"):
        if word in text:
            yield f"it names an address: {word}"
    for system in SYSTEMS:
        for python in PYTHONS:
            taken = chosen(entries, system, python)
            for name, pin in pins.items():
                if taken.get(name) != version(pin):
                    yield f"{pin} on {system}, Python {python}: the lock has {taken.get(name)}"


PINS = {name: pin for room in ROOMS for name, pin in read(room).items()}
NEW_LOCK = "make requirements/lock.txt again, its first lines say how"


def test_the_lock_agrees_with_the_pins():
    assert list(disagreements(PINS, LOCK)) == [], NEW_LOCK


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (r"^torch==\S+", "torch==2.14.0"),
        (r"^nbval==.*\n(    --hash.*\n)+", ""),
        (r"^(tqdm==\S+) \\\n(    --hash.*\n)+", r"\1\n"),
        (r"^numpy==(\S+) ", r"numpy==\1 ; python_full_version < '3.12' "),
        (r"\A", "--index-url https://example.org/simple\n"),
    ],
    ids=["version", "missing", "unhashed", "one-python", "address"],
)
def test_a_lock_that_disagrees_is_found(old, new):
    changed, count = re.subn(old, new, LOCK, count=1, flags=re.MULTILINE)
    assert count == 1
    assert list(disagreements(PINS, changed))


def test_the_lock_is_closed():
    """Whatever a locked package needs here is locked too, in a version that it accepts."""
    locked = {canonicalize_name(r.name): [] for r, _ in read_lock(LOCK)}
    for requirement, _ in read_lock(LOCK):
        locked[canonicalize_name(requirement.name)].append(version(requirement))
    followed = 0
    for name, versions in locked.items():
        try:
            installed = importlib.metadata.distribution(name)
        except importlib.metadata.PackageNotFoundError:
            continue  # For another system.
        if installed.version.partition("+")[0] not in versions:
            continue  # Installed from the pins alone, later: it may need something else.
        followed += 1
        for needed in map(Requirement, installed.requires or ()):
            if needed.marker is None or needed.marker.evaluate({"extra": ""}):
                found = locked.get(canonicalize_name(needed.name), [])
                accepted = [v for v in found if needed.specifier.contains(v, prereleases=True)]
                assert accepted, f"{name} needs {needed}, the lock has {found}: {NEW_LOCK}"
    if not followed:
        pytest.skip("nothing here is installed in the lock's version")


def test_torchvision_is_the_one_built_for_this_torch():
    """Torch 2.n.p and torchvision 0.(n + 15).p are built for each other."""
    torch, torchvision = (Version(version(PINS[name])) for name in ("torch", "torchvision"))
    assert (torch.major, torchvision.major) == (2, 0)
    assert (torchvision.minor, torchvision.micro) == (torch.minor + 15, torch.micro)


@pytest.mark.parametrize("room", ROOMS)
def test_pyproject_names_the_same_packages_in_ranges_that_hold_the_pins(room):
    lines = PROJECT["dependencies"] if room == "course" else PROJECT["optional-dependencies"][room]
    ranges = {canonicalize_name(r.name): r for r in map(Requirement, lines)}
    pins = read(room)
    assert ranges.keys() == pins.keys()
    assert [str(r) for n, r in ranges.items() if not r.specifier.contains(version(pins[n]))] == []


def test_a_package_stands_in_one_room():
    assert len(PINS) == sum(len(read(room)) for room in ROOMS)


def test_one_command_installs_the_course_and_its_check():
    lines = (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    assert [line for line in lines if line and not line.startswith("#")] == [
        "-r requirements/course.txt",
        "-r requirements/test.txt",
        "-e .",
    ]
    conda = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))
    assert conda["dependencies"][-1] == {"pip": ["-r requirements.txt"]}


def imported(folder, pattern):
    """Return the distributions that the Python files or notebooks there import."""
    modules = set()
    for path in sorted((ROOT / folder).glob(pattern)):
        if path.suffix == ".ipynb":
            cells = nbformat.read(path, as_version=4).cells
            source = "\n".join(cell.source for cell in cells if cell.cell_type == "code")
        else:
            source = path.read_text(encoding="utf-8")
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.Import):
                modules.update(alias.name.partition(".")[0] for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and node.level == 0:
                modules.add(node.module.partition(".")[0])
    owners = importlib.metadata.packages_distributions()
    names = {canonicalize_name(name) for module in modules for name in owners.get(module, ())}
    return names - {"course-utils"}


def test_what_is_imported_is_pinned_where_it_is_needed():
    course = imported("course_utils", "**/*.py") | imported("notebooks", "*.ipynb")
    assert course <= read("course").keys()
    rest = imported("tests", "**/*.py") | imported("tools", "*.py") | imported(".", "conftest.py")
    assert rest <= read("course").keys() | read("test").keys()
    assert PINS.keys() - course - rest == PROGRAMS
