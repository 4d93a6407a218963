"""Train chapter 08's InfoGAN on real MNIST as its authors did, and measure what its codes found.

    python tools/infogan_mnist.py
    python tools/infogan_mnist.py --table     # only what was measured so far
    python tools/infogan_mnist.py --ship authors 1    # store the generator of this PyTorch seed

Networks, losses and steps are the chapter's own code, taken from its notebook, at half the
authors' width, but for G's first layer of 128 units, an eighth, so that G can ship with the course.
Both recipes take 5,000 updates of 128 pictures; no label takes part.

* authors: batch normalisation of the dense layer before D's heads, Adam at 1e-3 for G and 2e-4 for
  D, rates that never fall, as in github.com/openai/InfoGAN, launchers/run_mnist_exp.py;
* course: none there, 2e-3 and 5e-4, falling along a cosine, and an averaged G: the chapter's own.

The labels of 10,000 digits that were held back name the categories afterwards.
Five seeds in PyTorch and two in TensorFlow of each, on one thread, two runs at a time, 15 to 25
minutes a run. A training that was stopped goes on where it was, and each finished one is a line in
tests/seeds/08_infogan_mnist.jsonl. Set COURSE_DATA to the folder that holds MNIST/raw.
"""

import json
import sys
import time
from pathlib import Path

import numpy as np
from chapter_runs import chapter, fingerprint, options, run_missing
from recipes import NOTEBOOKS, load_mnist
from ten_seeds import read_records

import course_utils

ROOT = Path(__file__).parents[1]
NOTEBOOK = NOTEBOOKS / "08_infogan.ipynb"
RECORDS = ROOT / "tests" / "seeds" / "08_infogan_mnist.jsonl"
WEIGHTS = ROOT / "course_utils" / "weights" / "infogan_mnist.safetensors"
AUTHORS, COURSE = "authors", "course"
SEEDS = [*(("torch", seed) for seed in range(5)), *(("tensorflow", seed) for seed in range(2))]
RUNS = [(recipe, *run) for recipe in (AUTHORS, COURSE) for run in SEEDS]
STOP = "def effects_of(G):"
SCORES = "accuracy", "L_I", "alignment", "clear", "distance"
UPDATES, EVERY, BATCH, G_LR, D_LR = 5000, 500, 128, 1e-3, 2e-4
DENSE = 512  # Units of D's dense layer.
FUNCTIONS = (
    *("join", "make_generator_torch", "make_generator_tf", "DiscriminatorTorch"),
    *("make_q_torch", "make_q_tf"),
    *("make_discriminator_tf", "init_torch", "bce_torch", "bce_tf", "info_loss_torch"),
    *("info_loss_tf", "make_step_torch", "make_step_tf", "tensors", "stream", "draw", "guess"),
    *("slant", "stroke_width", "sweep", "cosine", "make_adam_torch", "make_adam_tf"),
    *("make_average_torch", "make_average_tf", "make_gan_torch", "make_gan_tf"),
)


def code():
    """Eight digits that change when the chapter's functions or the settings above do."""
    settings = str((UPDATES, EVERY, BATCH, G_LR, D_LR, DENSE))
    return fingerprint(NOTEBOOK, FUNCTIONS, [settings])


def make_authors_gan(space, framework, seed):
    """Return the step of the authors' program and what a checkpoint of it holds."""
    if framework == "torch":
        import torch

        torch.manual_seed(seed)
        G, D = (
            space["make_generator_torch"](),
            space["DiscriminatorTorch"](dense=DENSE, last_norm=True),
        )
        space["init_torch"](G)
        space["init_torch"]([*D.trunk, D.source, *D.Q])
        g_adam, d_adam = (
            torch.optim.Adam(network.parameters(), lr, betas=(0.5, 0.999), eps=1e-8)
            for network, lr in ((G, G_LR), (D, D_LR))
        )
        step = space["make_step_torch"](G, D, g_adam, d_adam)
    else:
        import keras

        G, D = (
            space["make_generator_tf"](),
            space["make_discriminator_tf"](dense=DENSE, last_norm=True),
        )
        g_adam, d_adam = (
            keras.optimizers.Adam(lr, beta_1=0.5, beta_2=0.999, epsilon=1e-8) for lr in (G_LR, D_LR)
        )
        g_adam.build(G.trainable_variables)
        d_adam.build(D.trainable_variables)
        step = space["make_step_tf"](G, D, g_adam, d_adam)
    return step, {"G": G, "D": D, "g_adam": g_adam, "d_adam": d_adam}


def make_gan(space, recipe, framework, seed):
    """Return a recipe's step and what a checkpoint of it holds; both frameworks start alike."""
    import torch

    torch.manual_seed(seed)
    if recipe == AUTHORS:
        step, gan = make_authors_gan(space, framework, seed)
    else:
        short = "torch" if framework == "torch" else "tf"
        step, gan = space[f"make_gan_{short}"](DENSE, UPDATES)
    if framework == "tensorflow":
        _, of_torch = make_gan(space, recipe, "torch", seed)
        for name in gan.keys() & {"G", "D", "G_ema"}:
            course_utils.copy_weights(of_torch[name], gan[name])
    return step, gan


def count_meetings(space, gan, held_out):
    """Count how often each category (row) meets each digit (column) among real digits."""
    called = np.concatenate(
        [
            space["guess"](gan["D"], held_out.scaled()[start : start + 1000])[:, :10].argmax(axis=1)
            for start in range(0, len(held_out), 1000)
        ]
    )
    table = np.zeros((10, 10), int)
    np.add.at(table, (called, held_out.labels), 1)
    accuracy, digits = course_utils.matched_accuracy(called, held_out.labels)
    return accuracy, digits, table


def bound_of(space, G, D):
    """Return L_I in nats for 2,000 fresh codes, 200 of each category."""
    rng = np.random.default_rng(1000)
    category = np.arange(2000) % 10
    inputs = space["join"](
        rng.uniform(-1, 1, (2000, space["NOISE"])), category, rng.uniform(-1, 1, (2000, 2))
    )
    pictures = space["draw"](G, inputs)
    logits = space["guess"](D, pictures)[:, :10].astype(np.float64)
    log_q = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
    return float(np.log(10) + log_q[np.arange(2000), category].mean()), pictures, category


def run(recipe, framework, seed):
    """Train with one seed, go on where a checkpoint left off, and measure."""
    space = chapter(NOTEBOOK, STOP, seed)
    learn, held_out = load_mnist()
    step, gan = make_gan(space, recipe, framework, seed)
    unfinished = ROOT / "build" / f"infogan_mnist_{recipe}_{framework}_{seed}.safetensors"
    unfinished.parent.mkdir(exist_ok=True)
    curve = {}
    for updates in range(EVERY, UPDATES + 1, EVERY):
        history = course_utils.train(
            step,
            space["stream"](framework, learn, BATCH),
            updates,
            f"{recipe}, {framework}, seed {seed}",
            checkpoint=unfinished,
            state=gan,
        )
        if history.steps < updates:
            raise SystemExit(f"Stopped after {history.steps} updates; the same command goes on.")
        accuracy, digits, table = count_meetings(space, gan, held_out)
        curve[updates] = round(accuracy, 4)
        print(updates, round(accuracy, 4), flush=True, file=sys.stderr)
    G = gan.get("G_ema", gan["G"])
    bound, pictures, category = bound_of(space, G, gan["D"])
    judge = course_utils.PictureClassifier(learn.split(6000 / len(learn), seed=1)[0])
    features = judge.features(held_out.images[:4000])
    floor = course_utils.frechet_distance(features[:2000], features[2000:])
    distance = course_utils.frechet_distance(features[:2000], judge.features(pictures)) / floor
    effects = {}
    for place in range(2):
        swept = space["sweep"](G, place)  # (values, inputs, height, width, channels)
        for what in ("slant", "stroke_width"):
            values = np.stack([space[what](row) for row in swept])
            ends = values[-1] - values[0]
            change = (values - values.mean(axis=0)).ravel()
            places = np.repeat(np.linspace(-2, 2, len(values)), values.shape[1])
            effects[f"code {place + 1}, {what}"] = [
                round(float(ends.mean()), 3),
                round(float(np.corrcoef(places, change)[0, 1]), 3),
            ]
    return G, {
        "code": code(),
        "accuracy": round(accuracy, 4),
        "L_I": round(bound, 4),
        "alignment": round(course_utils.class_alignment(judge, pictures, digits[category]), 4),
        "clear": round(float((judge.probabilities(pictures).max(axis=1) > 0.9).mean()), 4),
        "distance": round(float(distance), 3),
        "digits": digits.tolist(),
        "meetings": table.tolist(),
        "curve": curve,
        "effects": effects,
    }


def measure_missing():
    """Make the runs that are missing, two at a time."""
    jobs = [(recipe, framework, str(seed)) for recipe, framework, seed in RUNS]
    run_missing(__file__, RECORDS, code(), jobs, ("recipe", "framework", "seed"))


def generator_file(recipe, framework, seed):
    """Where the finished generator of a run lies."""
    return ROOT / "build" / f"infogan_mnist_{recipe}_{framework}_{seed}_G.safetensors"


def ship(recipe, seed):
    """Write a PyTorch run's generator and the digits of its categories to WEIGHTS, in half."""
    import torch
    from safetensors.torch import save_file

    space = chapter(NOTEBOOK, STOP, seed)
    G = space["make_generator_torch"]()
    course_utils.load_checkpoint(generator_file(recipe, "torch", seed), {"G": G})
    arrays = {
        name: array.half() if array.is_floating_point() else array
        for name, array in G.state_dict().items()
    }
    wanted = recipe, "torch", seed
    records = read_records(RECORDS)
    record = next(r for r in records if (r["recipe"], r["framework"], r["seed"]) == wanted)
    arrays["digit_of_category"] = torch.tensor(record["digits"], dtype=torch.int8)
    save_file(arrays, WEIGHTS)


def table(records):
    """Return a line for each run, then what its categories hold and what its codes change."""
    lines = [f"{'run':28}" + "".join(f"{name:>10}" for name in (*SCORES, "minutes"))]
    for record in records:
        name = f"{record['recipe']}, {record['framework']}, seed {record['seed']}"
        cells = "".join(f"{record[score]:10.3f}" for score in SCORES)
        lines.append(f"{name:28}{cells}{record['seconds'] / 60:10.1f}")
    for record in records:
        lines.append(f"\n{record['recipe']}, {record['framework']}, seed {record['seed']}")
        meetings = np.array(record["meetings"])[np.argsort(record["digits"])]
        for digit, row in enumerate(meetings):
            shares = row / max(row.sum(), 1)
            held = [f"{d} {shares[d]:.0%}" for d in np.argsort(-shares) if shares[d] >= 0.1]
            lines.append(f"  matched with {digit}: {row.sum():5} pictures, {', '.join(held)}")
        for what, (change, correlation) in record["effects"].items():
            lines.append(f"  {what:22} from -2 to 2 {change:+7.2f}, correlation {correlation:+.2f}")
    return "\n".join(lines)


def main():
    """Run the command line."""
    parser = options(__doc__.splitlines()[0], job=3)
    parser.add_argument(
        "--ship", nargs=2, help="store the generator of this recipe and PyTorch seed"
    )
    chosen = parser.parse_args()
    if chosen.one:
        recipe, framework, seed = *chosen.one[:2], int(chosen.one[2])
        start = time.perf_counter()
        G, measured = run(recipe, framework, seed)
        course_utils.save_checkpoint(generator_file(recipe, framework, seed), {"G": G})
        record = {"recipe": recipe, "framework": framework, "seed": seed, **measured}
        print(json.dumps(record | {"seconds": round(time.perf_counter() - start, 1)}))
        return
    if chosen.ship:
        ship(chosen.ship[0], int(chosen.ship[1]))
        return
    if chosen.anew:
        RECORDS.unlink(missing_ok=True)
    if not chosen.table:
        measure_missing()
    print(table(read_records(RECORDS)))


if __name__ == "__main__":
    main()
