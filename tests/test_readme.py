"""README tells the truth: its table, its files, its commands, and who runs them word for word."""

import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import nbformat
import pytest
import yaml
from chapters import study_minutes, told_minutes
from packaging.specifiers import SpecifierSet

from course_utils.imports import SUPPORTED
from course_utils.machine import REFERENCE

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
CI = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
WORKFLOW = yaml.safe_load((ROOT / ".github" / "workflows" / "test.yml").read_text(encoding="utf-8"))
SETTINGS = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
SUPPORTS = SpecifierSet(SETTINGS["project"]["requires-python"])
PYTHONS = [f"3.{minor}" for minor in range(8, 40) if SUPPORTS.contains(f"3.{minor}.5")]
needs_bash = pytest.mark.skipif(
    sys.platform == "win32" or not all(map(shutil.which, ("bash", "git"))),
    reason="needs bash and git",
)


def blocks(text):
    """Return the commands of the indented blocks."""
    return re.findall(r"^ {4,}(\S.*)$", text, re.MULTILINE)


def section(title):
    """Return the text below a heading of the second level."""
    return re.search(rf"^## {title}\n(.*?)(?=^## |\Z)", README, re.MULTILINE | re.DOTALL)[1]


QUICK_START = blocks(section("Quick start").partition("<details>")[0])
SPANS = re.findall(r"`([^`\n]+)`", README)
COMMANDS = blocks(README) + SPANS


# --- the chapters --------------------------------------------------------------------------------


def rows(text):
    """Return the chapters' table: titles, links, minutes to run and to study."""
    row = r"^\| \[([^]]+)\]\((\S+\.ipynb)\) \|.*\| (\d+) \| (\d+) \|$"
    return re.findall(row, text, re.MULTILINE)


def test_the_table_has_each_chapter_once_and_in_order():
    links = [link for _, link, *_ in rows(README)]
    assert links == [path.relative_to(ROOT).as_posix() for path in NOTEBOOKS]


@pytest.mark.parametrize(("title", "link", "run", "study"), rows(README))
def test_a_row_says_what_its_notebook_says(title, link, run, study):
    words = re.sub(r"\bthe\b|[^a-z0-9]", "", title.lower())
    assert words == Path(link).stem.replace("_", "")
    book = nbformat.read(ROOT / link, as_version=4)
    told_run, told_study = told_minutes(book)
    assert int(run) == told_run
    # Chapters of the first edition do not tell how long they are studied.
    assert int(study) == (told_study or 5 * round(study_minutes(book) / 5))


def test_the_map_of_chapter_00_tells_the_same_minutes():
    book = nbformat.read(NOTEBOOKS[0], as_version=4)
    (drawn,) = (cell.source for cell in book.cells if "## The map" in cell.source)
    told = re.findall(r"^\| (\d\d) .*\| (\d+) \| (\d+) \|$", drawn, re.MULTILINE)
    assert told == [(title[:2], run, study) for title, _, run, study in rows(README)]


def test_the_reference_of_the_minutes_is_named():
    assert REFERENCE in README.replace("\n", " ")


# --- its files and commands ----------------------------------------------------------------------


def files(text):
    """Return what looks like a path of the repository in a command or a name."""
    words = re.findall(r"[\w.\\/-]+", text.replace("\\", "/"))
    places = (word.removeprefix("./") for word in words)
    return [
        place
        for place in places
        if ("/" in place or re.search(r"\w\.(py|txt|toml|yml|md|ipynb)$", place))
        and not place.startswith((".venv/", "path/to/"))
    ]


def test_each_file_that_it_names_exists():
    named = [place for command in COMMANDS for place in files(command)]
    assert len(named) > 15
    assert [place for place in named if not (ROOT / place).exists()] == []


def test_a_file_that_does_not_exist_would_be_found():
    assert files(r".venv\Scripts\jupyter lab notebooks\00.ipynb") == ["notebooks/00.ipynb"]
    assert files("tools/gone.py run") == ["tools/gone.py"]


TOOLS = sorted({command for command in COMMANDS if re.search(r"^(\S*python )?tools/\w", command)})


def test_each_tool_is_told_of():
    told = {Path(name).name for command in TOOLS for name in re.findall(r"tools/\w+\.py", command)}
    runnable = {
        path.name
        for path in (ROOT / "tools").glob("*.py")
        if "__main__" in path.read_text(encoding="utf-8")
    }
    assert told == runnable


@pytest.mark.parametrize("command", TOOLS)
def test_a_tool_knows_the_words_of_its_command(command):
    words = command[command.index("tools/") :].partition(" -- ")[0].split()
    child = subprocess.run(
        [sys.executable, *words, "--help"], cwd=ROOT, capture_output=True, text=True
    )
    assert child.returncode == 0, child.stderr
    assert [word for word in words if word.startswith("-") and word not in child.stdout] == []


def test_the_lock_is_made_by_the_command_that_it_names():
    lock = (ROOT / "requirements" / "lock.txt").read_text(encoding="utf-8")
    (command,) = (span for span in SPANS if span.startswith("-m uv "))
    assert command.removeprefix("-m ") == lock.splitlines()[1].strip("# ")


def test_the_pythons_are_the_same_everywhere():
    first, last = PYTHONS[0], PYTHONS[-1]
    assert f"Python {', '.join(PYTHONS[:-1])} or {last}" in section("Quick start")
    assert f"Python {', '.join(PYTHONS)}" in section("Install")
    assert f"Python {first} to {last} " in SUPPORTED
    conda = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))
    assert conda["dependencies"][0].removeprefix("python=") in PYTHONS


# --- who runs the commands -----------------------------------------------------------------------


def test_the_quick_start_is_two_commands():
    install, check = QUICK_START
    assert "pip install -r requirements.txt" in install and "jupyter lab" in install
    assert check.endswith("pytest --nbval")


@needs_bash
def test_ci_takes_the_quick_start_from_readme():
    (take,) = re.findall(r"^    sed .*README\.md$", CI, re.MULTILINE)
    child = subprocess.run(["bash", "-c", take], cwd=ROOT, capture_output=True, text=True)
    assert child.stdout.splitlines() == QUICK_START
    assert "pip install" not in CI


STAND_IN = """
import http.server, json, os, pathlib

config = pathlib.Path(os.environ["JUPYTER_CONFIG_DIR"], "jupyter_server_config.json")
port = json.loads(config.read_text())["ServerApp"]["port"]

class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"here I am")

http.server.HTTPServer(("127.0.0.1", port), Handler).serve_forever()
"""
INSTALL = "mkdir -p .venv/bin && ln -s '{python}' .venv/bin/python"


@pytest.fixture
def small_repository(tmp_path):
    """Return a function that runs .ci/run in a repository whose quick start is another one."""
    folder = tmp_path / "course"
    for name in (".ci", "tools", ".venv"):
        (folder / name).mkdir(parents=True)
    (tmp_path / "bin").mkdir()
    browser = tmp_path / "bin" / "chromium"
    browser.touch(mode=0o755)
    shutil.copy(ROOT / ".ci" / "run", folder / ".ci" / "run")
    (folder / "server.py").write_text(STAND_IN)
    (folder / "tools" / "arithmetic.py").write_text("import sys; print(sys.argv)")
    (folder / ".gitignore").write_text(".venv/\n")
    (folder / ".venv" / "mine").write_text("the developer's")

    def run(*commands):
        quick_start = "".join(f"    {command}\n" for command in commands)
        text = f"# T\n\n## Quick start\n\n{quick_start}\n<details>\n\n    not this\n"
        (folder / "README.md").write_text(text, encoding="utf-8")
        git = ["git", "-c", "user.name=me", "-c", "user.email=me@example.org"]
        for arguments in (["init", "-q"], ["add", "."], ["commit", "-qm", "all"]):
            subprocess.run([*git, *arguments], cwd=folder, check=True)
        return subprocess.run(
            ["bash", ".ci/run"],
            cwd=folder,
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            env={"PATH": f"{tmp_path / 'bin'}:{Path(sys.executable).parent}:/usr/bin:/bin"},
        )

    yield run
    assert [path.name for path in (folder / ".venv").iterdir()] == ["mine"]


@needs_bash
def test_ci_runs_both_commands_in_a_copy_and_then_plain_arithmetic(small_repository):
    start = f"{INSTALL.format(python=sys.executable)} && python3 server.py"
    child = small_repository(start, "pwd; ls -a .venv")
    assert child.returncode == 0, child.stdout + child.stderr
    assert "here I am" in child.stdout and "mine" not in child.stdout
    assert re.search(r"'plain', '--', '.venv/bin/pytest', '--nbval', 'notebooks/02", child.stdout)
    assert len(re.findall(r"^-- .*: passed, \d+ seconds$", child.stdout, re.MULTILINE)) == 5


@needs_bash
@pytest.mark.parametrize(
    ("start", "check", "said"),
    [
        ("echo cannot install && false", "echo checked", "cannot install"),
        (f"{INSTALL} && python3 server.py", "false", "false: FAILED"),
        ("true", None, "has 1 commands, not 2"),
    ],
    ids=["install", "check", "readme"],
)
def test_ci_fails_when_a_command_does(small_repository, start, check, said):
    commands = filter(None, [start.format(python=sys.executable), check])
    child = small_repository(*commands)
    assert child.returncode == 1
    assert said in child.stdout


def test_the_workflow_runs_each_system_and_python():
    for name in ("pinned", "locked"):
        assert WORKFLOW["jobs"][name]["strategy"]["matrix"]["python"] == PYTHONS
        assert WORKFLOW["jobs"][name]["strategy"]["fail-fast"] is False
    systems = WORKFLOW["jobs"]["pinned"]["strategy"]["matrix"]["system"]
    assert [system.partition("-")[0] for system in systems] == ["ubuntu", "macos", "windows"]
    assert WORKFLOW[True]["schedule"]  # YAML reads the word on as true.
    assert all(job["timeout-minutes"] >= 60 for job in WORKFLOW["jobs"].values())


def test_the_workflow_runs_what_readme_says():
    commands = [step["run"] for job in WORKFLOW["jobs"].values() for step in job["steps"][2:]]
    windows = blocks(section("Quick start"))
    assert [c for c in commands if "Scripts" in c and c not in windows] == []
    locked = [step["run"] for step in WORKFLOW["jobs"]["locked"]["steps"][3:-1]]
    assert locked == blocks(section("Install"))
    assert commands[0] == "bash .ci/run"
