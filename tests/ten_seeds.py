"""Run a notebook with ten seeds and tabulate how far each check is from its bounds.

    python tests/ten_seeds.py notebooks/04_dcgan.ipynb
    python tests/ten_seeds.py notebooks/04_dcgan.ipynb --seeds 20 --data mnist
    python tests/ten_seeds.py notebooks/10_stable_training.ipynb --set DIGIT_STEPS=6000

Each seed is one run of all code cells in a fresh process, with `setup(seed)` given that seed and
every `check(...)` recorded instead of raised, beside its seconds and peak memory (on Linux).
Results are appended to tests/seeds/, so a run that was cut short goes on where it stopped; delete
the file to start over.
"""

import argparse
import contextlib
import io
import json
import re
import resource
import subprocess
import sys
import time
from pathlib import Path

import nbformat
from tqdm import tqdm

SEEDS = Path(__file__).parent / "seeds"


def code_cells(path, settings=()):
    """Code cells of a notebook, its lines ``NAME = ...`` replaced by ``settings``."""
    cells = [c.source for c in nbformat.read(path, as_version=4).cells if c.cell_type == "code"]
    for name, value in (setting.split("=", 1) for setting in settings):
        line = re.compile(rf"^{re.escape(name)} = .*$", re.MULTILINE)
        if not any(line.search(cell) for cell in cells):
            raise ValueError(f"no line of {path} reads {name} = ..., so it cannot be set")
        cells = [line.sub(f"{name} = {value}", cell) for cell in cells]
    return cells


def run_notebook(path, seed, data=None, settings=()):
    """Run all code cells of a notebook in this process; return what its checks measured."""
    from IPython.core.interactiveshell import InteractiveShell

    import course_utils

    measured = []
    real_setup, real_load = course_utils.setup, course_utils.load_images

    def recording_check(what, value, at_least=None, at_most=None):
        measured.append([what, float(value), at_least, at_most])

    course_utils.setup = lambda *_args, **_kwargs: real_setup(seed)
    course_utils.check = recording_check
    if data:
        course_utils.load_images = lambda name="digits", *args, **kwargs: real_load(
            data if name == "digits" else name, *args, **kwargs
        )
    shell = InteractiveShell.instance()
    for index, cell in enumerate(code_cells(path, settings)):
        with contextlib.redirect_stdout(io.StringIO()):
            result = shell.run_cell(cell)
        if not result.success:
            error = result.error_in_exec or result.error_before_exec
            raise RuntimeError(f"{path}, code cell {index}, seed {seed}: {error!r}")
    return measured


def table(records):
    """Print one line a check: its bounds, and the worst, middle and best value of all seeds."""
    rows = {}
    for record in records:
        for what, value, at_least, at_most in record["measured"]:
            rows.setdefault((what, at_least, at_most), []).append(value)
    failed = 0
    print(f"{'check':72} {'bounds':>14} {'lowest':>10} {'median':>10} {'highest':>10}  passed")
    for (what, at_least, at_most), values in rows.items():
        values = sorted(values)
        passed = [
            (at_least is None or v >= at_least) and (at_most is None or v <= at_most)
            for v in values
        ]
        failed += len(passed) - sum(passed)
        bounds = " ".join(
            f"{sign}{bound:g}"
            for sign, bound in ((">=", at_least), ("<=", at_most))
            if bound is not None
        )
        print(
            f"{what[:72]:72} {bounds:>14} {values[0]:10.4g} {values[len(values) // 2]:10.4g} "
            f"{values[-1]:10.4g}  {sum(passed)} of {len(values)}"
        )
    return failed


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("notebook", type=Path)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--data", help="a data set to use where the notebook loads `digits`")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        dest="settings",
        help="replace the notebook's line NAME = ..., for example by a longer training",
    )
    parser.add_argument("--one", type=int, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.one is not None:
        start = time.perf_counter()
        measured = run_notebook(chosen.notebook, chosen.one, chosen.data, chosen.settings)
        record = {"seed": chosen.one, "seconds": round(time.perf_counter() - start, 1)}
        record["peak_gb"] = round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20, 2)
        print(json.dumps(record | {"measured": measured}))
        return
    name = "-".join([chosen.notebook.stem, *filter(None, [chosen.data]), *chosen.settings])
    SEEDS.mkdir(exist_ok=True)
    results = SEEDS / f"{name}.jsonl"
    records = (
        [json.loads(line) for line in results.read_text().splitlines()] if results.exists() else []
    )
    todo = [s for s in range(chosen.seeds) if s not in {record["seed"] for record in records}]
    for seed in tqdm(todo, desc=name, unit="seed"):
        command = [sys.executable, __file__, str(chosen.notebook), "--one", str(seed)]
        command += ["--data", chosen.data] if chosen.data else []
        command += [f"--set={setting}" for setting in chosen.settings]
        child = subprocess.run(command, capture_output=True, text=True)
        if child.returncode:
            sys.exit(f"seed {seed} failed:\n{child.stderr}")
        records.append(json.loads(child.stdout.splitlines()[-1]))
        with results.open("a") as file:
            file.write(json.dumps(records[-1]) + "\n")
    sys.exit(1 if table(records) else 0)


if __name__ == "__main__":
    main()
