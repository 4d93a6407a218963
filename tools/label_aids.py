"""Train chapter 06's conditional GAN in several ways of telling D and G the label, and compare.

    python tools/label_aids.py
    python tools/label_aids.py --table    # only what was measured so far

Each way trains in PyTorch with ten seeds, for the chapter's steps, on one thread, two runs at a
time; all but the way is the chapter's own code, taken from its notebook, and its recipe, which is
tuned for none of them. A seed means the same batches, z and initial G in every way. Scores are the
chapter's, for 200 vectors z in each class. Results are appended to tests/seeds/06_label_aids.jsonl,
a line a run, so a measurement that was cut short goes on where it stopped.

* planes: the chapter's own D, whose first layer reads the label as planes;
* wrong labels: real pictures under another label are fakes, too, and count half (after Reed et al.
  2016, section 4.2); all labels of a batch move on by the same number of classes;
* spread: D's first layer also sees the standard deviation of each pixel over the pictures of the
  batch that have the same label (after Karras et al. 2018, section 3, who append one number, the
  mean deviation of all features over the whole batch, near D's end);
* spread, wrong labels: the two together;
* projection: the label meets D's last maps in an inner product (Miyato and Koyama 2018);
* conditional norm: planes in D; in G each batch normalisation has a gain and a shift for each class
  (de Vries et al. 2017), and the label goes nowhere else;
* projection, conditional norm: the pair that Miyato and Koyama use.
"""

import json
import time
from pathlib import Path

import numpy as np
import torch
from chapter_runs import chapter, fingerprint, options, run_missing
from recipes import NOTEBOOKS
from ten_seeds import read_records
from torch import nn

import course_utils

NOTEBOOK = NOTEBOOKS / "06_cgan.ipynb"
RECORDS = Path(__file__).parents[1] / "tests" / "seeds" / "06_label_aids.jsonl"
PLANES = "planes"
WRONG, SPREAD, PROJECTION, NORM = "wrong labels", "spread", "projection", "conditional norm"
WAYS = (PLANES, WRONG, SPREAD, f"{SPREAD}, {WRONG}", PROJECTION, NORM, f"{PROJECTION}, {NORM}")
SEEDS = range(10)
SCORES = ("alignment", "clear", "weakest class", "distance", "variance, mean", "variance, smallest")
# What a run takes from the chapter: a record of other code is not counted.
SETTINGS = ("SIZE", "CHANNELS", "CLASSES", "WIDTH", "Z_SIZE", "BATCH", "STEPS", "G_LR", "D_LR", "N")
FUNCTIONS = (
    *("make_generator_torch", "make_discriminator_torch", "init_torch", "planes_torch"),
    *("generate_torch", "judge_torch", "bce_torch", "make_step_torch", "cosine"),
    *("make_adam_torch", "make_average_torch", "make_gan_torch", "every_class", "sample_torch"),
    *("stream", "measure", "ProjectionTorch", "judge_projection_torch"),
)


def names(seed):
    """Return the names of chapter 06 with a seed."""
    return chapter(NOTEBOOK, "D_torch = ProjectionTorch(", seed)


def fingerprint_of(space):
    """Eight digits that change when the chapter's settings or functions do."""
    return fingerprint(NOTEBOOK, FUNCTIONS, (f"{name} = {space[name]}" for name in SETTINGS))


def spread(x, y):
    """Standard deviation of each pixel over the pictures of a batch with the same label.

    ``x`` has shape (N, C, H, W), ``y`` is one-hot, (N, classes); the result has the shape of ``x``.
    """
    share = y.T / (y.sum(0)[:, None] + 1e-6)  # A row averages the pictures of one class.
    flat = x.flatten(1)
    deviations = flat - y @ (share @ flat)
    variances = y @ (share @ deviations**2)
    return (variances + 1e-6).sqrt().reshape(x.shape)  # The root has a gradient at 0.


class ConditionalNorm(nn.Module):
    """Batch normalisation with a gain and a shift for each class."""

    def __init__(self, maps, classes):
        super().__init__()
        self.norm = nn.BatchNorm2d(maps, affine=False)
        self.gain = nn.Linear(classes, maps, bias=False)
        self.shift = nn.Linear(classes, maps, bias=False)
        nn.init.normal_(self.gain.weight, 1.0, 0.02)
        nn.init.zeros_(self.shift.weight)

    def forward(self, x, y):
        """Normalise ``x``, (N, maps, H, W), given the one-hot ``y``."""
        return self.norm(x) * self.gain(y)[:, :, None, None] + self.shift(y)[:, :, None, None]


class ConditionalGenerator(nn.Sequential):
    """The chapter's generator whose normalisations read the label, and its first layer does not."""

    def __init__(self, G, classes):
        norms = (nn.BatchNorm1d, nn.BatchNorm2d)
        super().__init__(
            *(
                ConditionalNorm(layer.num_features, classes) if isinstance(layer, norms) else layer
                for layer in G
            )
        )
        self.classes = classes

    def forward(self, z_and_y):
        """Draw for z and y in one vector, as the chapter's ``generate_torch`` passes them."""
        x, y = z_and_y[:, : -self.classes], z_and_y[:, -self.classes :]
        for layer in self:
            x = layer(x, y) if isinstance(layer, ConditionalNorm) else layer(x)
        return x


def step_with_wrong_labels(space, seed, weight=0.5):
    """Return a function like the chapter's ``make_step_torch``, with a third kind of fake."""
    rng = np.random.default_rng([seed, 1])  # not the stream's
    bce, generate = space["bce_torch"], space["generate_torch"]

    def make_step(G, D, g_adam, d_adam, judge):
        def step(x_real, y, z):
            x_fake = generate(G, z, y)
            y_wrong = torch.roll(y, int(rng.integers(1, y.shape[1])), dims=1)
            of_fakes = bce(judge(D, x_fake.detach(), y), 0)
            of_wrong = bce(judge(D, x_real, y_wrong), 0)
            d_loss = bce(judge(D, x_real, y), 1) + (1 - weight) * of_fakes + weight * of_wrong
            d_adam.zero_grad()
            d_loss.backward()
            d_adam.step()
            g_loss = bce(judge(D, x_fake, y), 1)
            g_adam.zero_grad()
            g_loss.backward()
            g_adam.step()
            return {"d_loss": d_loss, "g_loss": g_loss}

        return step

    return make_step


def run(way, seed):
    """Train one way with one seed; return the code's fingerprint and the scores."""
    space = names(seed)
    code, steps, classes = fingerprint_of(space), space["STEPS"], space["CLASSES"]
    judge, planes, maps = space["judge_torch"], space["planes_torch"], space["CHANNELS"] + classes
    if SPREAD in way:
        maps += space["CHANNELS"]

        def judge(D, x, y):
            return D(torch.cat([x, spread(x, y), planes(y, x.shape[-1])], dim=1))

    if WRONG in way:
        space["make_step_torch"] = step_with_wrong_labels(space, seed)
    if NORM in way:
        make_generator = space["make_generator_torch"]
        space["make_generator_torch"] = lambda size, channels, width, z_size: ConditionalGenerator(
            make_generator(size, channels, width, z_size - classes), classes
        )
    torch.manual_seed(seed)
    if PROJECTION in way:
        judge = space["judge_projection_torch"]
        D = space["ProjectionTorch"](space["SIZE"], space["CHANNELS"], classes, space["WIDTH"])
    else:
        D = space["make_discriminator_torch"](space["SIZE"], maps, space["WIDTH"])
        space["init_torch"](D)
    torch.manual_seed(seed)  # The same initial G, whatever D has drawn.
    step, gan = space["make_gan_torch"](D, judge, steps)
    for _, batch in zip(range(steps), space["stream"]("torch", space["learn"]), strict=False):
        step(*batch)
    z, labels = space["every_class"](space["z_many"])
    samples = space["sample_torch"](gan["G_ema"], z, course_utils.one_hot(labels, classes))
    scores = space["measure"](samples, labels)
    ratios = scores.pop("variance")
    scores["variance, smallest"], scores["variance, mean"] = ratios.min(), ratios.mean()
    return code, {name: round(float(value), 4) for name, value in scores.items()}


def table(records):
    """Return two tables: each score of each way, and how often it beats planes with equal seeds."""
    lines = [f"{'lowest / median / highest':34}" + "".join(f"{name:>24}" for name in SCORES)]
    by_way = {way: {r["seed"]: r["scores"] for r in records if r["way"] == way} for way in WAYS}
    for way, rows in by_way.items():
        if not rows:
            continue
        cells = []
        for name in SCORES:
            values = [row[name] for row in rows.values()]
            cells.append(f"{min(values):.3f} / {np.median(values):.3f} / {max(values):.3f}")
        lines.append(
            f"{way + f', {len(rows)} seeds':34}" + "".join(f"{cell:>24}" for cell in cells)
        )
    lines.append(f"\n{'less planes: mean (standard error)':34}")
    for way, rows in by_way.items():
        seeds = sorted(rows.keys() & by_way[PLANES].keys())
        if way == PLANES or len(seeds) < 2:
            continue
        cells = []
        for name in SCORES:
            more = np.array([rows[seed][name] - by_way[PLANES][seed][name] for seed in seeds])
            error = more.std(ddof=1) / len(more) ** 0.5
            cells.append(f"{more.mean():+.3f} ({error:.3f})")
        lines.append(f"{way + f', {len(seeds)} seeds':34}" + "".join(f"{c:>24}" for c in cells))
    return "\n".join(lines)


def measure_missing():
    """Make the runs that are missing, two at a time."""
    jobs = [(way, str(seed)) for seed in SEEDS for way in WAYS]
    run_missing(__file__, RECORDS, fingerprint_of(names(0)), jobs, ("way", "seed"))


def main():
    """Run the command line."""
    parser = options(__doc__.splitlines()[0], job=2)
    chosen = parser.parse_args()
    if chosen.one:
        way, seed = chosen.one[0], int(chosen.one[1])
        start = time.perf_counter()
        code, scores = run(way, seed)
        record = {"way": way, "seed": seed, "code": code, "scores": scores}
        print(json.dumps(record | {"seconds": round(time.perf_counter() - start, 1)}))
        return
    if chosen.anew:
        RECORDS.unlink(missing_ok=True)
    if not chosen.table:
        measure_missing()
    print(table(read_records(RECORDS)))


if __name__ == "__main__":
    main()
