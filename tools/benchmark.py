"""Measure speed and memory as ratios in one run; run it on a quiet machine.

python tools/benchmark.py            # everything, about ten minutes
python tools/benchmark.py machine    # this machine against the reference, a few seconds
python tools/benchmark.py loop       # the training loop of chapter 04 against the bare step
python tools/benchmark.py picture    # the share of a training that its live picture takes
python tools/benchmark.py setup      # the set-up cell against the bare imports
python tools/benchmark.py notebooks  # seconds and peak memory of each notebook

Seconds of two machines cannot be compared; so beside them stand products: how often the machine
does a float32 matrix product of 256 x 256 in that time, in the same framework and with the same
threads. What "machine" prints as seconds goes into course_utils/machine.py when the reference
changes.
"""

import argparse
import ast
import contextlib
import io
import json
import statistics
import subprocess
import sys
import time
from pathlib import Path

import nbformat
from nbclient import NotebookClient

from course_utils import machine

NOTEBOOKS = Path(__file__).parents[1] / "notebooks"
LIBRARIES = "import torch, torchvision, tensorflow, keras, numpy, matplotlib.pyplot, IPython"
BARE = f"import time; start = time.perf_counter(); {LIBRARIES}; print(time.perf_counter() - start)"
SETUP = (
    "import time; start = time.perf_counter(); from course_utils import setup; setup(); "
    f"{LIBRARIES}; print(time.perf_counter() - start)"
)


def measure_machine(budget=4.0):
    """Measure both frameworks with the threads that setup() gives them.

    Returns seconds by framework and work, as :func:`course_utils.machine.measure` does. The
    budget, in seconds, is larger than setup()'s: a benchmark has time for a steadier figure.
    """
    import course_utils

    with contextlib.redirect_stdout(io.StringIO()):
        course_utils.setup()
    import tensorflow as tf
    import torch

    return machine.measure({"PyTorch": torch, "TensorFlow": tf}, budget)


def machine_table(seconds):
    """Return measured seconds as lines: milliseconds, GFLOP/s and the ratio to the reference."""
    lines = [f"{'':12}{'':13}{'ms':>8}{'GFLOP/s':>9}{'x reference':>13}"]
    for (framework, work), taken in seconds.items():
        speed = machine.FLOP[work] / taken / 1e9
        ratio = taken / machine.REFERENCE_SECONDS[framework, work]
        lines.append(f"{framework:12}{work:13}{taken * 1e3:8.3f}{speed:9.1f}{ratio:13.2f}")
    return "\n".join([*lines, machine.describe_pace(machine.pace(seconds))])


def benchmark_machine():
    """Print what setup() measures, and as it stands in course_utils/machine.py."""
    seconds = measure_machine()
    print(f"\n{machine_table(seconds)}")
    print("\nas a reference:")
    for key, taken in seconds.items():
        print(f'    ("{key[0]}", "{key[1]}"): {taken * 1e3:.3f}e-3,')


def products(seconds, framework, measured):
    """Return how many of the measured matrix products a framework does in so many seconds."""
    return seconds / measured[framework, "product"]


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
    measured = measure_machine()
    print(f"\nms a step, chapter 04, median of {rounds} blocks of {block} steps")
    print(f"{'':12}{'bare step':>10}{'train()':>10}{'ratio':>8}{'products a step':>17}")
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
        print(loop_line(name, bare, looped, measured))


def loop_line(name, bare, looped, measured):
    """Return a row of the loop's table; the times of each block are in ms a step."""
    ratio = statistics.median(b / a for a, b in zip(bare, looped, strict=True))
    step = statistics.median(looped)
    count = products(step / 1e3, name, measured)
    return f"{name:12}{statistics.median(bare):10.2f}{step:10.2f}{ratio:8.3f}{count:17.1f}"


# Run in a kernel. All that the live picture does is measured from outside, its screen included.
WATCHED = """
import itertools
import json
import time

import numpy as np
from course_utils import train
from course_utils.training import live

spent, drawings = 0.0, 0

def measured(owner, name):
    method = getattr(owner, name)

    def measure(self, *arguments):
        global spent, drawings
        start = time.perf_counter()
        method(self, *arguments)
        spent += time.perf_counter() - start
        drawings = getattr(self, "drawings", drawings)

    setattr(owner, name, measure)

for owner, name in ((live.LivePicture, "update"), (live.LivePicture, "__exit__")):
    measured(owner, name)
measured(live.Screen, "__init__")
left, right = np.ones((2, 256, 256), np.float32)
samples = np.random.default_rng(0).uniform(-1, 1, (32, 28, 28, 1)).astype(np.float32)

def step(_):
    end = time.perf_counter() + 0.01
    while time.perf_counter() < end:
        left @ right
    return {"d_loss": 1.4, "g_loss": 0.7, "D(x)": 0.5, "D(G(z))": 0.5}

rows = []
for steps in STEPS:
    spent = 0.0
    start = time.perf_counter()
    train(lambda _: step(_), itertools.repeat(None), steps, picture=lambda: samples)
    rows.append((time.perf_counter() - start, drawings, spent))
json.dumps(rows)
"""


def benchmark_picture(seconds=(3, 10, 30)):
    """Train in a kernel with steps of 10 ms, with curves, samples and all that shows them."""
    code = WATCHED.replace("STEPS", str([100 * number for number in seconds]))
    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(code)])
    NotebookClient(book, timeout=None, kernel_name="python3").execute()
    (result,) = (o for o in book.cells[0].outputs if o.output_type == "execute_result")
    print(f"\n{'seconds':>8}{'drawings':>10}{'ms each':>9}{'share':>8}")
    for row in json.loads(ast.literal_eval(result.data["text/plain"])):
        print(picture_line(*row))


def picture_line(seconds, drawings, spent):
    """Return a row of the live picture's table; the drawing at the end is one more."""
    each = spent / (drawings + 1) * 1e3
    return f"{seconds:8.1f}{drawings:10}{each:9.1f}{spent / seconds:8.2%}"


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
    measured = measure_machine()
    print(f"\n{'notebook':36}{'seconds':>8}{'peak GB':>9}{'thousand products':>19}")
    for path in notebooks:
        notebook = nbformat.read(path, as_version=4)
        peak = "import resource; print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20)"
        notebook.cells.append(nbformat.v4.new_code_cell(peak))
        start = time.perf_counter()
        NotebookClient(
            notebook,
            timeout=None,  # However slow the machine.
            kernel_name="python3",
            resources={"metadata": {"path": path.parent}},
        ).execute()
        seconds = time.perf_counter() - start
        print(
            notebook_line(path.name, seconds, float(notebook.cells[-1].outputs[0].text), measured),
            flush=True,
        )


def notebook_line(name, seconds, peak, measured):
    """Return a row of the notebooks' table; its products are the mean of both frameworks'."""
    count = statistics.fmean(products(seconds, framework, measured) for framework, _ in measured)
    return f"{name:36}{seconds:8.0f}{peak:9.2f}{count / 1e3:19.1f}"


def main():
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parts = ("machine", "setup", "notebooks", "loop", "picture")
    parser.add_argument("parts", nargs="*", default=parts, metavar="part", help=", ".join(parts))
    chosen = parser.parse_args().parts
    if unknown := set(chosen) - set(parts):
        parser.error(f"unknown part {unknown.pop()!r}; choose from {', '.join(parts)}")
    if "machine" in chosen:
        benchmark_machine()
    if "setup" in chosen:
        benchmark_setup()
    if "notebooks" in chosen:
        benchmark_notebooks(sorted(NOTEBOOKS.glob("*.ipynb")))
    if "loop" in chosen:
        benchmark_loop()
    if "picture" in chosen:
        benchmark_picture()


if __name__ == "__main__":
    main()
