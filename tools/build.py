"""Author's commands: ``python tools/build.py execute [notebook ...]``.

``execute`` runs notebooks from top to bottom in fresh kernels and stores normalised outputs: what
it writes differs between two runs only where the results do.
"""

import argparse
import os
import re
import sys
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from tqdm import tqdm

WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"
# What must not be stored: it differs between machines, or gives away whose machine it was.
FORBIDDEN = {
    "an absolute path": re.compile(r"(?<![\w/.])/(?:home|root|work|tmp|Users)/\S+|[A-Z]:\\\S+"),
    "a memory address": re.compile(r"\b0x[0-9a-f]{6,}\b"),
}


class BuildError(Exception):
    """A notebook that cannot be stored; the message names the cell and what to do."""


def execute(path, timeout=600):
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
        kernel_name="python3",
        resources={"metadata": {"path": str(path.parent)}},
        store_widget_state=False,
    )
    count = sum(cell.cell_type == "code" for cell in notebook.cells)
    with tqdm(total=count, desc=path.name, unit="cell", file=sys.stdout) as bar:
        client.on_cell_executed = lambda **_: bar.update()
        try:
            client.execute()
        except CellExecutionError as error:
            raise BuildError(str(error)) from error
    normalise(notebook)
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
    notebook.metadata = nbformat.from_dict(
        {
            "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
            "language_info": {"name": "python"},
        }
    )
    for index, cell in enumerate(notebook.cells):
        cell.id = f"cell-{index:03d}"
        tags = cell.metadata.get("tags")
        cell.metadata = nbformat.from_dict({"tags": tags} if tags else {})
        if cell.cell_type != "code":
            continue
        outputs = _merge_streams(cell.outputs)
        cell.outputs = [output for output in map(_normalise_output, outputs) if output]
        _refuse(cell, f"Cell {index}")


def _merge_streams(outputs):
    """Join printed pieces: where the kernel cut them depends on its clock."""
    merged = []
    for output in outputs:
        if merged and "text" in output and merged[-1].get("name") == output.name:
            merged[-1].text += output.text
        else:
            merged.append(output)
    return merged


def _normalise_output(output):
    """Return the output without widgets, progress bars and metadata; None if nothing remains."""
    if output.output_type == "stream":
        output.text = re.sub(r"^.*\r.*\n?", _last_drawn, output.text, flags=re.MULTILINE)
        return output if output.text.strip() else None
    if output.output_type in ("display_data", "execute_result"):
        output.data.pop(WIDGET_VIEW, None)
        output.metadata = nbformat.from_dict({})
    return output


def _last_drawn(line):
    """Return what a redrawn line shows in the end: nothing if that is a progress bar's timings."""
    shown = line[0].rpartition("\r")[2]
    return "" if re.search(r"\d%", shown) or not shown.strip() else shown


def _refuse(cell, where):
    for output in cell.outputs:
        if output.get("name") == "stderr":
            raise BuildError(f"{where} writes to stderr, which nbval would report: {output.text}")
        texts = [output.get("text", "")]
        texts += [v for k, v in output.get("data", {}).items() if k.startswith("text/")]
        for text in texts:
            for what, pattern in FORBIDDEN.items():
                if match := pattern.search(text):
                    raise BuildError(f"{where} prints {what}, {match[0]!r}: show something stable.")


def main(arguments=None):
    """Run the command line."""
    parser = argparse.ArgumentParser(prog="python tools/build.py", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    run = commands.add_parser("execute", help="run notebooks and store their normalised outputs")
    run.add_argument("notebooks", nargs="*", type=Path, help="all in notebooks/ if left out")
    chosen = parser.parse_args(arguments)
    notebooks = chosen.notebooks or sorted(Path("notebooks").glob("*.ipynb"))
    if not notebooks:
        parser.error("no notebooks in ./notebooks: run it from the repository's root, or name one")
    try:
        for path in notebooks:
            execute(path)
    except (BuildError, OSError, ValueError) as error:  # ValueError: the file is no notebook.
        sys.exit(f"error: {path}: {error}")


if __name__ == "__main__":
    main()
