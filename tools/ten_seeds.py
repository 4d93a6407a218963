"""Run a notebook twenty times, with ten seeds in three arithmetics, and tabulate its checks.

    python tools/ten_seeds.py notebooks/04_dcgan.ipynb
    python tools/ten_seeds.py notebooks/04_dcgan.ipynb --data mnist
    python tools/ten_seeds.py notebooks/11_stable_training.ipynb --set DIGIT_STEPS=6000

Ten seeds on one thread, five of them on two threads, five in plain arithmetic (see arithmetic.py).
Each run executes all code cells in a fresh process, with `setup(seed)` given that seed and every
`check(...)` recorded instead of raised, beside its seconds and peak memory. Runs of one thread go
two at a time. Results are appended to tests/seeds/, a line a run, so a measurement that was cut
short goes on where it stopped. Last comes a table, with the bound that the worst run passes with a
margin of a quarter of the spread.
"""

import argparse
import ast
import contextlib
import hashlib
import io
import json
import math
import re
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

import nbformat
from arithmetic import environment
from tqdm import tqdm

SEEDS = Path(__file__).parents[1] / "tests" / "seeds"
RUNS = (
    [(seed, "one thread") for seed in range(10)]
    + [(seed, "plain") for seed in range(5)]
    + [(seed, "two threads") for seed in range(5)]
)
MARGIN = 0.25  # Of the spread: twenty runs do not show the worst that there is.


def code_cells(path, settings=()):
    """Code cells of a notebook, its lines ``NAME = ...`` replaced by ``settings``."""
    cells = [c.source for c in nbformat.read(path, as_version=4).cells if c.cell_type == "code"]
    for name, value in (setting.split("=", 1) for setting in settings):
        line = re.compile(rf"^{re.escape(name)} = .*$", re.MULTILINE)
        if not any(line.search(cell) for cell in cells):
            raise ValueError(f"no line of {path} reads {name} = ..., so it cannot be set")
        cells = [line.sub(f"{name} = {value}", cell) for cell in cells]
    return cells


def fingerprint(path, settings=()):
    """Eight digits that change when a notebook's code does, its layout and bounds left aside."""
    tree = ast.parse("\n".join(code_cells(path, settings)))
    for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
        call.keywords = [k for k in call.keywords if k.arg not in ("at_least", "at_most")]
    return hashlib.sha256(ast.dump(tree).encode()).hexdigest()[:8]


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
            data if name in ("digits", "digits-blurred") else name, *args, **kwargs
        )
    shell = InteractiveShell.instance()
    for index, cell in enumerate(code_cells(path, settings)):
        with contextlib.redirect_stdout(io.StringIO()):
            result = shell.run_cell(cell)
        if not result.success:
            error = result.error_in_exec or result.error_before_exec
            raise RuntimeError(f"{path}, code cell {index}, seed {seed}: {error!r}")
    return measured


def read_records(path):
    """List the runs of a file in tests/seeds/; empty if there is none."""
    return (
        [json.loads(line) for line in path.read_text("utf-8").splitlines()] if path.exists() else []
    )


def values_of(records):
    """Map each check's name to its values in all runs; a name may come more than once in one."""
    values = {}
    for record in records:
        for what, value, *_ in record["measured"]:
            values.setdefault(what, []).append(value)
    return values


def allowed_bounds(values):
    """Tightest bounds, below and above, that all values pass with a margin.

    Parameters
    ----------
    values : list of float
        One measured quantity, in all runs.

    Returns
    -------
    tuple of float
        The highest ``at_least`` and the lowest ``at_most``: a quarter of the spread outside.
    """
    margin = MARGIN * (max(values) - min(values))
    return min(values) - margin, max(values) + margin


def rounded_outwards(lower, upper):
    """Round a pair of bounds to two digits, away from each other."""

    def two_digits(number, towards):
        if number == 0 or not math.isfinite(number):
            return number
        unit = 10.0 ** (math.floor(math.log10(abs(number))) - 1)
        return float(f"{towards(round(number / unit, 6)) * unit:.12g}")

    return two_digits(lower, math.floor), two_digits(upper, math.ceil)


def table(records):
    """Print a line a check: its bounds, the lowest, middle and highest value, and fair bounds."""
    rows = {}
    for record in records:
        for what, value, at_least, at_most in record["measured"]:
            rows.setdefault((what, at_least, at_most), []).append(value)
    failed = 0
    heads = f"{'lowest':>10} {'median':>10} {'highest':>10}  {'passed':9}  fair bounds"
    print(f"{'check':72} {'bounds':>14} {heads}")
    for (what, at_least, at_most), values in rows.items():
        values = sorted(values)
        passed = [
            (at_least is None or v >= at_least) and (at_most is None or v <= at_most)
            for v in values
        ]
        failed += len(passed) - sum(passed)
        fair = rounded_outwards(*allowed_bounds(values))
        sides = [(">=", at_least, fair[0]), ("<=", at_most, fair[1])]
        sides = [side for side in sides if side[1] is not None]
        bounds = " ".join(f"{sign}{bound:g}" for sign, bound, _ in sides)
        print(
            f"{what[:72]:72} {bounds:>14} {values[0]:10.4g} {values[len(values) // 2]:10.4g} "
            f"{values[-1]:10.4g}  {f'{sum(passed)} of {len(values)}':9}  "
            + " ".join(f"{sign}{bound:g}" for sign, _, bound in sides)
        )
    return failed


def measure(chosen, todo, results, code):
    """Run what is missing, two at a time where a run takes one thread; append each when done."""

    def run(seed, arithmetic):
        command = [sys.executable, __file__, str(chosen.notebook), "--one", str(seed)]
        command += ["--data", chosen.data] if chosen.data else []
        command += [f"--set={setting}" for setting in chosen.settings]
        child = subprocess.run(command, capture_output=True, text=True, env=environment(arithmetic))
        if child.returncode:
            raise RuntimeError(f"seed {seed}, {arithmetic}, failed:\n{child.stderr}")
        return {"arithmetic": arithmetic, "code": code} | json.loads(child.stdout.splitlines()[-1])

    with tqdm(total=len(todo), desc=results.stem, unit="run") as bar:
        for side_by_side in (2, 1):
            some = [job for job in todo if (job[1] == "two threads") == (side_by_side == 1)]
            with ThreadPoolExecutor(side_by_side) as pool:
                for done in as_completed([pool.submit(run, *job) for job in some]):
                    with results.open("a") as file:
                        file.write(json.dumps(done.result()) + "\n")
                    bar.update()


def peak_gigabytes():
    """Most memory that this process ever held; 0 on Windows, which does not tell."""
    try:
        import resource
    except ImportError:
        return 0.0
    unit = 2**30 if sys.platform == "darwin" else 2**20
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit, 2)


def main():
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("notebook", type=Path)
    parser.add_argument("--data", help="a data set to use where the notebook loads `digits`")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        dest="settings",
        help="replace the notebook's line NAME = ..., for example by a longer training",
    )
    parser.add_argument("--anew", action="store_true", help="forget the runs made so far")
    parser.add_argument("--table", action="store_true", help="only print the table of the runs")
    parser.add_argument("--one", type=int, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.one is not None:
        start = time.perf_counter()
        measured = run_notebook(chosen.notebook, chosen.one, chosen.data, chosen.settings)
        record = {"seed": chosen.one, "seconds": round(time.perf_counter() - start, 1)}
        print(json.dumps(record | {"peak_gb": peak_gigabytes(), "measured": measured}))
        return
    name = "-".join([chosen.notebook.stem, *filter(None, [chosen.data]), *chosen.settings])
    SEEDS.mkdir(exist_ok=True)
    results = SEEDS / f"{name}.jsonl"
    if chosen.anew:
        results.unlink(missing_ok=True)
    if not chosen.table:
        code = fingerprint(chosen.notebook, chosen.settings)
        records = read_records(results)
        if any(record.get("code") != code for record in records):
            sys.exit(f"error: {results} was measured with other code: --anew forgets its runs")
        made = {(record["seed"], record["arithmetic"]) for record in records}
        measure(chosen, [run for run in RUNS if run not in made], results, code)
    sys.exit(1 if table(read_records(results)) else 0)


if __name__ == "__main__":
    main()
