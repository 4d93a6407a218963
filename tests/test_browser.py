"""Chapter 00 in a real JupyterLab in a real browser, as a student opens it."""

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

import pytest

NOTEBOOKS = Path(__file__).parents[1] / "notebooks"
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
BROWSER = next(filter(None, map(shutil.which, BROWSERS)), None)
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-sync"]


@pytest.fixture
def lab(tmp_path):
    """Serve a copy of the notebooks; yield the address of JupyterLab."""
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
    server = subprocess.Popen(
        command,
        cwd=tmp_path / "notebooks",
        env=os.environ | settings,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        for _ in range(120):
            with contextlib.suppress(OSError):
                status = f"http://127.0.0.1:{port}/api/status?token=test"
                json.load(urllib.request.urlopen(status, timeout=5))
                break
            time.sleep(0.5)
        yield f"http://127.0.0.1:{port}/lab/tree/{{}}?token=test"
    finally:
        server.terminate()
        server.wait(30)


@pytest.mark.skipif(BROWSER is None, reason=f"needs one of {', '.join(BROWSERS)} on the PATH")
def test_chapter_00_runs_in_jupyterlab(lab):
    from playwright.sync_api import sync_playwright

    name = "00_start_here.ipynb"
    notebook = json.loads((NOTEBOOKS / name).read_text())
    figures = sum(
        "image/png" in output.get("data", {})
        for cell in notebook["cells"]
        for output in cell.get("outputs", [])
    )
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=BROWSER, args=FLAGS)
        page = browser.new_page(viewport={"width": 1300, "height": 900})
        page.goto(lab.format(name), timeout=120_000)
        page.wait_for_selector(".jp-Notebook .jp-Cell", timeout=120_000)
        page.wait_for_function("window.jupyterapp.shell.currentWidget?.sessionContext?.isReady")
        # Without the stored outputs, what is counted below must come from this run.
        for command in ("notebook:clear-all-cell-outputs", "notebook:run-all-cells"):
            page.evaluate(f"window.jupyterapp.commands.execute('{command}')")
        finished = """() => {
            const cells = window.jupyterapp.shell.currentWidget.content.model.cells;
            return [...cells].every(cell => cell.type !== 'code' || cell.executionState === 'idle'
                                            && cell.executionCount);
        }"""
        page.wait_for_function(finished, timeout=180_000)
        outputs = page.evaluate(
            "[...window.jupyterapp.shell.currentWidget.content.model.cells]"
            ".filter(cell => cell.type === 'code').flatMap(cell => cell.outputs.toJSON())"
        )
        browser.close()
    assert not [o for o in outputs if o["output_type"] == "error" or o.get("name") == "stderr"]
    assert sum("image/png" in output.get("data", {}) for output in outputs) == figures
