"""Train chapter 10's copy of PacGAN's plain GAN, and its packs, with several seeds; count modes.

    python tools/pacgan_baseline.py                          # narrow, some minutes a run
    python tools/pacgan_baseline.py --protocol published     # as in the paper, hours a run
    python tools/pacgan_baseline.py --table                  # only what was measured so far

Networks, step, stream and scores are the chapter's own code, taken from its notebook, in PyTorch,
on one thread, two runs at a time. Results are appended to tests/seeds/10_pacgan_baseline.jsonl, a
line a run, with the scores at eleven moments, so a measurement that was cut short goes on where it
stopped. Two protocols:

* published: Lin et al. (2018), their section 4.1 and their code: 400 units in G and 200 in D, a
  constant rate of 0.0001, 400,000 steps. One thing differs: their code moves both players at once.
* narrow: a quarter of the units, PyTorch's own initial weights, twenty times the rate, which falls
  along a cosine to a hundredth, and 8,000 steps.

A batch has 100 packs, as in the paper: with packs of two, 200 points.
"""

import contextlib
import io
import json
import time
from pathlib import Path

import numpy as np
import torch
from chapter_runs import chapter, fingerprint, options, run_missing
from recipes import NOTEBOOKS
from ten_seeds import read_records

NOTEBOOK = NOTEBOOKS / "10_mode_collapse.ipynb"
RECORDS = Path(__file__).parents[1] / "tests" / "seeds" / "10_pacgan_baseline.jsonl"
COMMON = {"beta_1": 0.8, "z_std": 1.0, "moments": 11}
PROTOCOLS = {
    "narrow": (
        {"width": 100, "d_width": 50, "std": None},
        {"steps": 8000, "rates": (2e-3, 2e-3), "last": 0.01} | COMMON,
    ),
    "published": (
        {"width": 400, "d_width": 200},
        {"steps": 400_000, "rates": (1e-4, 1e-4), "last": 1.0} | COMMON,
    ),
}
TARGETS, PACKS, SEEDS = ("ring", "grid"), (1, 2), range(10)
SCORES = ("modes", "quality", "KL")
# What a run takes from the chapter: a record of other code is not counted.
FUNCTIONS = (
    *("draw_real", "PackTorch", "LargestTorch", "make_pacgan_torch", "nonsaturating_loss_torch"),
    *("make_step_torch", "make_adam_torch", "stream", "sample_torch", "train_torch"),
    *("assign", "score"),
)


def names(seed):
    """Return the names of chapter 10 with a seed."""
    return chapter(NOTEBOOK, "pacgan_ring = train_both(", seed)


def fingerprint_of():
    """Eight digits that change when the chapter's functions or the protocols do."""
    return fingerprint(NOTEBOOK, FUNCTIONS, [repr(PROTOCOLS)])


def run(protocol, target, pack, seed):
    """Train once; return after how many steps what was measured."""
    space, (sizes, plan) = names(seed), PROTOCOLS[protocol]
    torch.manual_seed(seed)
    G, D = space["make_pacgan_torch"](pack=pack, **sizes)
    with contextlib.redirect_stdout(io.StringIO()):
        history = space["train_torch"](protocol, target, G, D, batch=100 * pack, **plan)
    rows = [space["score"](points, target) for points in history.snapshots]
    curves = {name: [round(float(row[name]), 4) for row in rows] for name in SCORES}
    return {"steps": [int(step) for step in history.snapshot_steps]} | curves


def table(records):
    """Return the means at the end and their standard errors, as the paper tells them."""
    lines = [f"{'':34}{'modes':>14}{'quality':>16}{'KL':>16}"]
    ways = sorted({(r["protocol"], r["target"], r["pack"]) for r in records}, reverse=True)
    for way in ways:
        rows = [r for r in records if (r["protocol"], r["target"], r["pack"]) == way]
        cells = []
        for name, width in zip(SCORES, (14, 16, 16), strict=True):
            values = np.array([row[name][-1] for row in rows])
            error = values.std(ddof=1) / len(values) ** 0.5 if len(values) > 1 else np.nan
            cells.append(f"{f'{values.mean():.3f} ({error:.3f})':>{width}}")
        title = f"{way[0]}, {way[1]}, pack {way[2]}, {len(rows)} seeds"
        lines.append(f"{title:34}" + "".join(cells))
    return "\n".join(lines)


def main():
    """Run the command line."""
    parser = options(__doc__.splitlines()[0], job=4)
    parser.add_argument("--protocol", choices=PROTOCOLS, default="narrow")
    chosen = parser.parse_args()
    if chosen.one:
        protocol, target, pack, seed = chosen.one
        start = time.perf_counter()
        curves = run(protocol, target, int(pack), int(seed))
        record = {"protocol": protocol, "target": target, "pack": int(pack), "seed": int(seed)}
        record |= {"code": fingerprint_of()} | curves
        print(json.dumps(record | {"seconds": round(time.perf_counter() - start, 1)}))
        return
    if chosen.anew:
        RECORDS.unlink(missing_ok=True)
    if not chosen.table:
        jobs = [
            (chosen.protocol, target, str(pack), str(seed))
            for seed in SEEDS
            for target in TARGETS
            for pack in PACKS
        ]
        job_names = ("protocol", "target", "pack", "seed")
        run_missing(__file__, RECORDS, fingerprint_of(), jobs, job_names)
    print(table(read_records(RECORDS)))


if __name__ == "__main__":
    main()
