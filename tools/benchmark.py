"""Measure speed and memory as ratios in one run; run it on a quiet machine.

python tools/benchmark.py            # everything, about ten minutes
python tools/benchmark.py loop       # the training loop of chapter 04 against the bare step
python tools/benchmark.py setup      # the set-up cell against the bare imports
python tools/benchmark.py notebooks  # seconds and peak memory of each notebook
"""

import argparse
import contextlib
import io
import statistics
import subprocess
import sys
import time
from pathlib import Path

import nbformat
from nbclient import NotebookClient

NOTEBOOKS = Path(__file__).parents[1] / "notebooks"
LIBRARIES = "import torch, torchvision, tensorflow, keras, numpy, matplotlib.pyplot, IPython"
BARE = f"import time; start = time.perf_counter(); {LIBRARIES}; print(time.perf_counter() - start)"
SETUP = (
    "import time; start = time.perf_counter(); from course_utils import setup; setup(); "
    f"{LIBRARIES}; print(time.perf_counter() - start)"
)


def definitions(notebook, stop):
    """Run a notebook's cells up to the one that contains ``stop``, without its trainings."""
    from IPython.core.interactiveshell import InteractiveShell

    shell = InteractiveShell.instance()
    check_cell = False
    for cell in nbformat.read(notebook, as_version=4).cells:
        if cell.cell_type != "code":
            continue
        if stop in cell.source:
            return shell.user_ns
        trains = "nbval-ignore-output" in cell.metadata.get("tags", [])
        if not trains and not check_cell:
            with contextlib.redirect_stdout(io.StringIO()):
                shell.run_cell(cell.source).raise_error()
        check_cell = trains
    raise ValueError(f"no cell of {notebook} contains {stop!r}")


def benchmark_loop(block=100, rounds=5):
    """Alternate blocks of the loop and of the bare step, so that both see the same noise."""
    space = definitions(NOTEBOOKS / "04_dcgan.ipynb", "history_torch = train(")
    runtime = space["runtime"]
    print(f"\nms a step, chapter 04, median of {rounds} blocks of {block} steps")
    print(f"{'':12}{'bare step':>10}{'train()':>10}{'ratio':>8}")
    for name, step, batches in (
        (
            "PyTorch",
            space["step_torch"],
            space["stream"]("torch", space["images"], runtime.torch_device),
        ),
        (
            "TensorFlow",
            space["step_tf"],
            space["stream"]("tensorflow", space["images"], runtime.tf_device),
        ),
    ):
        bare, looped = [], []
        for _ in range(20):
            step(*next(batches))
        for _ in range(rounds):
            start = time.perf_counter()
            for _ in range(block):
                record = step(*next(batches))
            float(record["g_loss"].detach() if name == "PyTorch" else record["g_loss"])
            bare.append((time.perf_counter() - start) / block * 1e3)
            start = time.perf_counter()
            with contextlib.redirect_stdout(io.StringIO()):
                space["train"](step, batches, block)
            looped.append((time.perf_counter() - start) / block * 1e3)
        ratio = statistics.median(b / a for a, b in zip(bare, looped, strict=True))
        print(
            f"{name:12}{statistics.median(bare):10.2f}{statistics.median(looped):10.2f}{ratio:8.3f}"
        )


def benchmark_setup(rounds=5):
    """Alternate fresh processes that import the libraries with and without the course's set-up."""
    seconds = {BARE: [], SETUP: []}
    for _ in range(rounds):
        for code, values in seconds.items():
            child = subprocess.run(
                [sys.executable, "-c", code], capture_output=True, text=True, check=True
            )
            values.append(float(child.stdout.split()[-1]))
    bare, course = (statistics.median(values) for values in seconds.values())
    print(f"\nset-up: bare imports {bare:.2f} s, setup() {course:.2f} s, ratio {course / bare:.3f}")


def benchmark_notebooks(notebooks):
    """Run each notebook in a fresh kernel; ask the kernel for its peak memory at the end."""
    print(f"\n{'notebook':36}{'seconds':>8}{'peak GB':>9}")
    for path in notebooks:
        notebook = nbformat.read(path, as_version=4)
        peak = "import resource; print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20)"
        notebook.cells.append(nbformat.v4.new_code_cell(peak))
        start = time.perf_counter()
        NotebookClient(
            notebook,
            timeout=900,
            kernel_name="python3",
            resources={"metadata": {"path": path.parent}},
        ).execute()
        seconds = time.perf_counter() - start
        print(
            f"{path.name:36}{seconds:8.0f}{float(notebook.cells[-1].outputs[0].text):9.2f}",
            flush=True,
        )


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parts = ("loop", "setup", "notebooks")
    parser.add_argument("parts", nargs="*", default=parts, metavar="part", help=", ".join(parts))
    chosen = parser.parse_args().parts
    if unknown := set(chosen) - set(parts):
        parser.error(f"unknown part {unknown.pop()!r}; choose from {', '.join(parts)}")
    if "setup" in chosen:
        benchmark_setup()
    if "notebooks" in chosen:
        benchmark_notebooks(sorted(NOTEBOOKS.glob("*.ipynb")))
    if "loop" in chosen:
        benchmark_loop()


if __name__ == "__main__":
    main()
