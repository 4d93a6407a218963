"""JupyterLab in a real browser: opening changes nothing, chapter 00 runs, controls redraw."""

import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import nbformat
import pytest

NOTEBOOKS = Path(__file__).parents[1] / "notebooks"
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
BROWSER = next(filter(None, map(shutil.which, BROWSERS)), None)
VERSION = sys.version.split()[0]
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-sync"]


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    """Serve a copy of the notebooks; yield its folder and the address of a notebook in it."""
    tmp_path = tmp_path_factory.mktemp("lab")
    shutil.copytree(NOTEBOOKS, tmp_path / "notebooks")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "jupyter", "lab", "--no-browser", "--allow-root"]
    command += [f"--ServerApp.port={port}", "--IdentityProvider.token=test"]
    command += ["--LabApp.expose_app_in_browser=True", "--ServerApp.port_retries=0"]
    settings = {"JUPYTER_CONFIG_DIR": str(tmp_path / "config")}
    settings |= {"JUPYTERLAB_SETTINGS_DIR": str(tmp_path / "settings")}
    settings |= {"JUPYTERLAB_WORKSPACES_DIR": str(tmp_path / "workspaces")}
    # Its kernels would take it for nbval, and show no live picture.
    inherited = {name: value for name, value in os.environ.items() if name != "PYTEST_VERSION"}
    server = subprocess.Popen(
        command,
        cwd=tmp_path / "notebooks",
        env=inherited | settings,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        while server.poll() is None:
            with contextlib.suppress(OSError):
                status = f"http://127.0.0.1:{port}/api/status?token=test"
                json.load(urllib.request.urlopen(status, timeout=5))
                break
            time.sleep(0.5)
        # Without "reset" JupyterLab brings back the notebooks of the test before, and one of them,
        # not the one in the address, is the current one: a test then waits for it without end.
        yield tmp_path / "notebooks", f"http://127.0.0.1:{port}/lab/tree/{{}}?reset&token=test"
    finally:
        server.terminate()
        server.wait(30)


needs_a_browser = pytest.mark.skipif(
    BROWSER is None, reason=f"needs one of {', '.join(BROWSERS)} on the PATH"
)
FINISHED = """() => {
    const cells = window.jupyterapp.shell.currentWidget.content.model.cells;
    return [...cells].every(cell => cell.type !== 'code' || cell.executionState === 'idle'
                                    && cell.executionCount);
}"""


# What JupyterLab waits for before it stores what the kernel says of itself.
OPEN = """async path => {
    const panel = await window.jupyterapp.commands.execute('docmanager:open', {path});
    await panel.context.ready;
    await panel.sessionContext.ready;
    const kernel = panel.sessionContext.session.kernel;
    await Promise.all([kernel.info, kernel.spec]);
    await new Promise(resolve => setTimeout(resolve, 300));
    const seen = {
        changed: panel.context.model.dirty,
        marked: panel.title.className.includes('jp-mod-dirty'),
        kernel: (await kernel.info).language_info.name,
        metadata: panel.content.model.metadata,
    };
    await panel.sessionContext.shutdown();
    panel.dispose();
    return seen;
}"""
PATIENCE = 1_800_000  # Milliseconds, for the slowest machine.


@contextlib.contextmanager
def open_in_browser(address):
    """Open a notebook and yield the page."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=BROWSER, args=FLAGS)
        page = browser.new_page(viewport={"width": 1300, "height": 900})
        page.set_default_timeout(PATIENCE)
        page.goto(address)
        page.wait_for_selector(".jp-Notebook .jp-Cell")
        page.wait_for_function("window.jupyterapp.shell.currentWidget?.sessionContext?.isReady")
        yield page
        browser.close()


@contextlib.contextmanager
def run_in_browser(address):
    """Open a notebook, run all cells without their stored outputs, and yield the page."""
    with open_in_browser(address) as page:
        for command in ("notebook:clear-all-cell-outputs", "notebook:run-all-cells"):
            page.evaluate(f"window.jupyterapp.commands.execute('{command}')")
        page.wait_for_function(FINISHED)
        yield page


def outputs_of(page):
    return page.evaluate(
        "[...window.jupyterapp.shell.currentWidget.content.model.cells]"
        ".filter(cell => cell.type === 'code').flatMap(cell => cell.outputs.toJSON())"
    )


@needs_a_browser
def test_opening_a_notebook_does_not_mark_it_as_changed(lab):
    """Each chapter, and one without the kernel's words, which shows that the mark is seen.

    The kernel says its version of Python, too, and a file can hold only one. So with another
    version than the author's a chapter is marked, and here it gets the one that runs.
    """
    folder, address = lab
    paths = sorted(folder.glob("[0-9]*.ipynb"))
    notebooks = {path.name: nbformat.read(path, as_version=4) for path in paths}
    for path in paths:
        language = notebooks[path.name].metadata.language_info
        if language.get("version", VERSION) != VERSION:
            language.version = VERSION
            nbformat.write(notebooks[path.name], path)
    bare = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("1")])
    bare.metadata = {"kernelspec": {"name": "python3", "display_name": "Python 3"}}
    nbformat.write(bare, folder / "bare.ipynb")
    with open_in_browser(address.format("bare.ipynb")) as page:
        page.evaluate("window.jupyterapp.shell.currentWidget.dispose()")
        seen = {name: page.evaluate(OPEN, name) for name in ("bare.ipynb", *notebooks)}
    assert {state["kernel"] for state in seen.values()} == {"python"}
    found = seen.pop("bare.ipynb")
    assert found["changed"] and found["marked"]
    assert [name for name, state in seen.items() if state["changed"] or state["marked"]] == []


@needs_a_browser
def test_chapter_00_runs_in_jupyterlab(lab):
    _, address = lab
    name = "00_start_here.ipynb"
    notebook = json.loads((NOTEBOOKS / name).read_text(encoding="utf-8"))
    figures = sum(
        "image/png" in output.get("data", {})
        for cell in notebook["cells"]
        for output in cell.get("outputs", [])
    )
    with run_in_browser(address.format(name)) as page:
        outputs = outputs_of(page)
    assert not [o for o in outputs if o["output_type"] == "error" or o.get("name") == "stderr"]
    assert sum("image/png" in output.get("data", {}) for output in outputs) == figures


EXPLORER = """
from course_utils import Explorer
from matplotlib.figure import Figure

def draw(framework, slope, grid):
    figure = Figure(figsize=(3, 2 + slope))
    axis = figure.subplots()
    axis.plot([0, 1], [0, slope], ":" if framework == "PyTorch" else "-")
    axis.grid(grid)
    return figure

sliders = {"framework": ["PyTorch", "TensorFlow"], "slope": (0, 9, 3), "grid": False}
Explorer(draw, "A line.", sliders=sliders, buttons={"again": lambda: None})
"""


@pytest.fixture
def explorer_page(lab):
    """Run a notebook with nothing but an explorer; yield the page and its picture."""
    folder, address = lab
    cell = nbformat.v4.new_code_cell(EXPLORER)
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3"}}
    notebook = nbformat.v4.new_notebook(cells=[cell], metadata=kernel)
    nbformat.write(notebook, folder / "explorer.ipynb")
    with run_in_browser(address.format("explorer.ipynb")) as page:
        picture = page.locator(".jupyter-widgets img")
        picture.wait_for()
        yield page, picture


def redrawn(page, picture, act):
    """Do something and wait until the picture is another one."""
    before = picture.get_attribute("src")
    act()
    page.wait_for_function(
        "old => document.querySelector('.jupyter-widgets img').src !== old", arg=before
    )
    page.wait_for_function("document.querySelector('.jupyter-widgets img').complete")


@needs_a_browser
def test_each_control_of_an_explorer_redraws_its_picture(explorer_page):
    page, picture = explorer_page
    for act in (
        lambda: page.locator(".noUi-handle").press("ArrowRight"),
        lambda: page.locator(".jupyter-widgets select").select_option("TensorFlow"),
        lambda: page.locator(".jupyter-widgets input[type=checkbox]").click(),
    ):
        redrawn(page, picture, act)
    assert page.locator(".jupyter-widgets button").count() == 1


def drag(page, rounds):
    """Move the slider's handle to and fro, and leave it at the right end."""
    box = page.locator(".noUi-handle").bounding_box()
    track = page.locator(".noUi-base").bounding_box()
    y = box["y"] + box["height"] / 2
    page.mouse.move(box["x"] + box["width"] / 2, y)
    page.mouse.down()
    for _ in range(rounds):
        for share in (0.1, 0.9, 0.4, 1.1):
            page.mouse.move(track["x"] + share * track["width"], y, steps=10)
            page.wait_for_timeout(100)
    page.mouse.up()


@needs_a_browser
def test_after_a_drag_the_picture_is_that_of_the_last_value_drawn_once(explorer_page):
    page, picture = explorer_page
    page.evaluate(
        """() => {
            window.drawn = 0;
            const picture = document.querySelector('.jupyter-widgets img');
            const count = () => { window.drawn += 1; };
            new MutationObserver(count).observe(picture, {attributeFilter: ['src']});
        }"""
    )
    redrawn(page, picture, lambda: drag(page, rounds=8))
    assert page.evaluate("window.drawn") == 1
    assert picture.evaluate("image => image.naturalHeight > 1500")  # Nine inches and more.


def wait_for_picture(page, condition):
    """Wait until it holds: the picture and its width reach the page one after the other."""
    find = "const image = document.querySelector('.jupyter-widgets img');"
    page.wait_for_function(
        f"() => {{ {find} const box = image.getBoundingClientRect(); return {condition}; }}"
    )


@needs_a_browser
def test_an_explorers_picture_has_its_natural_size_and_leaves_room_for_the_controls(explorer_page):
    page, picture = explorer_page
    redrawn(page, picture, lambda: page.locator(".noUi-handle").press("Home"))
    # Two inches high, and sharp: two pixels of the picture for one of the page.
    wait_for_picture(page, "Math.abs(image.naturalWidth - 2 * box.width) <= 2 && box.height < 250")
    redrawn(page, picture, lambda: page.locator(".noUi-handle").press("End"))
    # Eleven inches would be 1,100 pixels, more than the window has.
    wait_for_picture(page, "600 < box.height && box.height <= 0.7 * window.innerHeight + 1")


TRAINING = """
import itertools
import time

from course_utils import train
from course_utils.training import live

live.SHARE = 1.0  # However slow the machine, it moves twice a second.
numbers = itertools.count(1)

def step(_):
    time.sleep(0.01)
    return {"d_loss": 1 / next(numbers), "g_loss": 1.0}

history = train(step, itertools.repeat(None), 600, "PyTorch")
"""


@needs_a_browser
def test_a_picture_moves_while_a_training_runs_and_stays_without_a_widget(lab):
    folder, address = lab
    cell = nbformat.v4.new_code_cell(TRAINING)
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3"}}
    notebook = nbformat.v4.new_notebook(cells=[cell], metadata=kernel)
    nbformat.write(notebook, folder / "trains.ipynb")
    with open_in_browser(address.format("trains.ipynb")) as page:
        page.evaluate("void window.jupyterapp.commands.execute('notebook:run-all-cells')")
        seen = [None]
        for _ in range(3):  # The picture of nothing, and two that were drawn.
            page.wait_for_function(
                "seen => { const image = document.querySelector('.jp-OutputArea img');"
                " return image && image.src.startsWith('blob:') && !seen.includes(image.src); }",
                arg=seen,
            )
            seen.append(page.locator(".jp-OutputArea img").get_attribute("src"))
        assert not page.evaluate(f"({FINISHED})()")
        page.wait_for_function(FINISHED)
        page.wait_for_selector(".jp-OutputArea img[src^='data:image/png']")
        assert page.locator(".jp-OutputArea img").count() == 1
        first, *rest = outputs_of(page)
    assert sorted(first["data"]) == ["image/png", "text/plain"]
    assert {output["output_type"] for output in rest} == {"stream"}
