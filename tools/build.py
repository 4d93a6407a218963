"""Author's commands: ``python tools/build.py execute [notebook ...]``, ``normalise``, ``html``.

``execute`` runs notebooks from top to bottom in fresh kernels and stores normalised outputs: what
it writes differs between two runs only where the results do. ``normalise`` does the second half
alone, for a notebook that was saved elsewhere. ``html`` writes pages to read in a browser.
"""

import argparse
import os
import re
import sys
from pathlib import Path

import nbformat
from ipykernel.ipkernel import IPythonKernel
from ipykernel.kernelspec import KERNEL_NAME, get_kernel_dict
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from nbconvert import HTMLExporter
from nbconvert.preprocessors import CoalesceStreamsPreprocessor
from private import forbidden
from tqdm import tqdm

from course_utils.training.live import LIVE, SWITCH

WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"
# A line of tqdm: "train: 100%|█████| 3/3 [00:00<00:00, 900.00step/s]". A long one is cut, and then
# has no closing bracket.
PROGRESS_BAR = re.compile(r"^.*\[(?:\d+:)?\d\d:\d\d[<,](?:.*\][ \r]*|.*)\n?", re.MULTILINE)
# What JupyterLab stores when it opens a notebook: what the kernel says of itself. If the file
# differs in any of it, the notebook is marked as changed before anybody touched it.
METADATA = {
    "kernelspec": {
        "display_name": get_kernel_dict()["display_name"],
        "language": get_kernel_dict()["language"],
        "name": KERNEL_NAME,
    },
    "language_info": IPythonKernel.language_info,
}


BACKEND = "MPLBACKEND"  # In an author's shell it would hide what a reader's kernel shows.
TEMPLATES = Path(__file__).parent / "templates"
PAGES = Path("build") / "html"


class BuildError(Exception):
    """A notebook that cannot be stored; the message names the cell and what to do."""


def execute(path, timeout=1800):
    """Run a notebook in a fresh kernel, normalise its outputs and replace the file.

    The file is only replaced after the whole notebook has run.

    Parameters
    ----------
    path : path
        The notebook.
    timeout : float, optional
        Seconds that one cell may take.

    Raises
    ------
    BuildError
        If a cell fails, writes to stderr, or prints a path or an address.
    OSError
        If there is no such file.
    """
    path = Path(path)
    notebook = nbformat.read(path, as_version=4)
    client = NotebookClient(
        notebook,
        timeout=timeout,
        kernel_name=KERNEL_NAME,
        resources={"metadata": {"path": str(path.parent)}},
        store_widget_state=False,
    )
    count = sum(cell.cell_type == "code" for cell in notebook.cells)
    with tqdm(total=count, desc=path.name, unit="cell", file=sys.stdout) as bar:
        client.on_cell_executed = lambda **_: bar.update()
        try:
            client.execute(env=_environment())
        except CellExecutionError as error:
            raise BuildError(str(error)) from error
    normalise(notebook)
    _write(notebook, path)


def _environment():
    """Return a kernel's environment: no live pictures, and the backend that JupyterLab takes."""
    return {name: value for name, value in os.environ.items() if name != BACKEND} | {SWITCH: "0"}


def _write(notebook, path):
    """Replace the file, whole or not at all."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    nbformat.write(notebook, temporary)
    os.replace(temporary, path)


def normalise(notebook):
    """Remove from an executed notebook what differs between two runs of the same results.

    Parameters
    ----------
    notebook : nbformat.NotebookNode
        Changed in place.

    Raises
    ------
    BuildError
        If a stored output holds what cannot be removed without changing its meaning.
    """
    notebook.metadata = nbformat.from_dict(METADATA)
    notebook.nbformat, notebook.nbformat_minor = 4, 5  # JupyterLab converts what is older.
    for index, cell in enumerate(notebook.cells):
        cell.id = f"cell-{index:03d}"
        cell.metadata = nbformat.from_dict(_kept(cell))
        if cell.cell_type != "code":
            continue
        # Where the kernel cut what was printed depends on its clock. A line that was drawn again
        # and again is left as it was in the end.
        cell, _ = CoalesceStreamsPreprocessor().preprocess_cell(cell, {}, index)
        cell.outputs = [output for output in map(_normalise_output, cell.outputs) if output]
        _refuse(cell, f"Cell {index}")


def _kept(cell):
    """Return what stays of a cell's metadata: its tags, and that a code cell is folded."""
    kept = {"tags": cell.metadata.get("tags")} if cell.metadata.get("tags") else {}
    if cell.cell_type == "code" and is_folded(cell):
        kept["jupyter"] = {"source_hidden": True}
    return kept


def is_folded(cell):
    """Whether JupyterLab shows only the first line of a cell's source."""
    return cell.metadata.get("jupyter", {}).get("source_hidden") is True


def _normalise_output(output):
    """Return the output without widgets, progress bars, live pictures; None if nothing remains.

    Of its metadata only what a picture shows remains, for those who cannot see it.
    """
    if output.output_type == "stream":
        output.text = PROGRESS_BAR.sub("", output.text)
        return output if output.text.strip() else None
    if output.output_type in ("display_data", "execute_result"):
        if output.metadata.get(LIVE):
            return None
        output.data.pop(WIDGET_VIEW, None)
        alt = output.metadata.get("image/png", {}).get("alt")
        output.metadata = nbformat.from_dict({"image/png": {"alt": alt}} if alt else {})
    return output


def _refuse(cell, where):
    for output in cell.outputs:
        if output.get("name") == "stderr":
            raise BuildError(f"{where} writes to stderr, which nbval would report: {output.text}")
        texts = [output.get("text", "")]
        texts += [v for k, v in output.get("data", {}).items() if k.startswith("text/")]
        for text in texts:
            for what, found in forbidden(text):
                raise BuildError(f"{where} prints {what}, {found!r}: show something stable.")


def normalise_file(path):
    """Normalise a notebook that was saved elsewhere, without running it.

    Parameters
    ----------
    path : path
        The notebook; replaced only if something in it changes.

    Raises
    ------
    BuildError, OSError
        As `execute` does.
    """
    path = Path(path)
    before = path.read_text(encoding="utf-8")
    notebook = nbformat.reads(before, as_version=4)
    normalise(notebook)
    if nbformat.writes(notebook) + "\n" != before:
        _write(notebook, path)


def html(path):
    """Write a stored notebook as one HTML page into ``build/html``.

    nbconvert's own templates leave out what describes a picture, and a replay moves only as a PNG.

    Parameters
    ----------
    path : path
        The notebook, as it is stored: nothing runs.

    Raises
    ------
    OSError, ValueError
        If there is no such file, or it is no notebook.
    """
    exporter = HTMLExporter(template_name="course", extra_template_basedirs=[str(TEMPLATES)])
    page, _ = exporter.from_notebook_node(nbformat.read(path, as_version=4))
    PAGES.mkdir(parents=True, exist_ok=True)
    (PAGES / Path(path).with_suffix(".html").name).write_text(page, encoding="utf-8")


COMMANDS = {
    "execute": (execute, "run notebooks and store their normalised outputs"),
    "normalise": (normalise_file, "normalise notebooks as they are stored, without running them"),
    "html": (html, "write notebooks as HTML pages into build/html"),
}


def main(arguments=None):
    """Run the command line."""
    parser = argparse.ArgumentParser(prog="python tools/build.py", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    for name, (_, what) in COMMANDS.items():
        command = commands.add_parser(name, help=what)
        command.add_argument(
            "notebooks", nargs="*", type=Path, help="all in notebooks/ if left out"
        )
    chosen = parser.parse_args(arguments)
    notebooks = chosen.notebooks or sorted(Path("notebooks").glob("*.ipynb"))
    if not notebooks:
        parser.error("no notebooks in ./notebooks: run it from the repository's root, or name one")
    try:
        for path in notebooks:
            COMMANDS[chosen.command][0](path)
    except (BuildError, OSError, ValueError) as error:  # ValueError: the file is no notebook.
        sys.exit(f"error: {path}: {error}")


if __name__ == "__main__":
    main()
