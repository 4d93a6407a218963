"""Measure how good samples are after so many seconds of training on MNIST, for three recipes.

    COURSE_DATA=folder python tools/time_to_quality.py
    COURSE_DATA=folder python tools/time_to_quality.py --seconds 10 --recipes peer "chapter 04"
    COURSE_DATA=folder python tools/time_to_quality.py --figure docs/time_to_quality.png

The folder must hold MNIST, as torchvision stores it. Run it on a quiet machine; with two cores the
whole takes about 20 minutes. Each recipe trains from scratch in each framework, in a fresh process:

* chapter 04: the DCGAN of its notebook;
* robust: the recipe of chapter 10's notebook, with learning rates that never fall;
* peer: the recipe of the DCGAN tutorial on TensorFlow's site, told again in our own words.

The first two are taken from the notebooks, so this file does not repeat them. The clock runs only
while a training does, from its first step on: TensorFlow's tracing counts, drawing samples does
not. The score is the Frechet distance of 2,000 samples, in features of a classifier of real MNIST
digits, over that of 2,000 real digits (its floor): 1 is perfect. A class is found when at least 1 %
of all samples are called by it with a probability above 0.9.
"""

import argparse
import ast
import contextlib
import io
import math
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import matplotlib.pyplot as plt
import nbformat
import numpy as np
from tqdm import tqdm

import course_utils
from course_utils.plots import COLOURS, figure_png

NOTEBOOKS = Path(__file__).parents[1] / "notebooks"
KEPT = (ast.Import, ast.ImportFrom, ast.FunctionDef, ast.ClassDef, ast.Assign)
FRAMEWORKS = {"torch": "PyTorch", "tensorflow": "TensorFlow"}
SAMPLES = 2000
MOMENTS = (1, 2, 3, 4, 5, 7, 10, 14, 20, 30, 45, 60, 90, 120, 180, 240, 360, 480)
SHOWN = (5, 10, 30, 60, 120, 240)
LEVELS = (150, 100, 50, 30, 20, 10, 5)


def load_mnist():
    """Load MNIST from COURSE_DATA: 50,000 digits to learn from and 10,000 others."""
    root = os.environ.get("COURSE_DATA")
    if not root or not Path(root, "MNIST").is_dir():
        sys.exit(
            "MNIST is missing: set the environment variable COURSE_DATA to a folder that holds "
            f"MNIST/raw, as torchvision stores it. It is now {root!r}."
        )
    return course_utils.load_images("mnist", root=root).split(5 / 6, seed=0)


def from_notebook(notebook, stop):
    """Run a notebook's imports, definitions and assignments up to the cell with ``stop``.

    It loads MNIST where the notebook loads the digits. Trainings are left out, and what needs their
    results fails and is left out, too: the recipes need none of it. Returns all names.
    """
    from IPython.core.interactiveshell import InteractiveShell

    learned, _ = load_mnist()
    load_images = course_utils.load_images
    course_utils.load_images = lambda name="digits", **options: (
        learned if name == "digits" else load_images(name, **options)
    )
    shell = InteractiveShell.instance()
    for cell in nbformat.read(notebook, as_version=4).cells:
        if cell.cell_type != "code":
            continue
        if stop in cell.source:
            return shell.user_ns
        if "nbval-ignore-output" in cell.metadata.get("tags", []):
            continue
        for statement in ast.parse(cell.source).body:
            if isinstance(statement, KEPT):
                with contextlib.redirect_stdout(io.StringIO()):
                    shell.run_cell(ast.unparse(statement))  # It prints its error and goes on.
    raise ValueError(f"no cell of {notebook} contains {stop!r}")


def chapter_04(framework):
    """Return step, batches and sample() of chapter 04's DCGAN."""
    space = from_notebook(NOTEBOOKS / "04_dcgan.ipynb", "learn, held_out = images.split(")
    short = "torch" if framework == "torch" else "tf"
    sizes = (space[name] for name in ("SIZE", "CHANNELS", "WIDTH", "G_LR", "D_LR"))
    G, _, step = space[f"make_gan_{short}"](*sizes)
    device = getattr(space["runtime"], f"{short}_device")
    z = np.random.default_rng(0).uniform(-1, 1, (SAMPLES, space["Z_SIZE"])).astype(np.float32)
    batches = space["stream"](framework, space["images"], device)
    return step, batches, lambda: space[f"sample_{short}"](G, z)


def robust(framework):
    """Return step, batches and sample() of chapter 10's recipe, with rates that never fall."""
    space = from_notebook(NOTEBOOKS / "10_stable_training.ipynb", "digits_torch = train(")
    G, D, G_mean, step = space["make_digit_gan_torch"]()
    short = "torch"
    if framework == "tensorflow":
        short = "tf"
        _, _, G_mean, step = space["make_digit_gan_tf"](G, D)
    learned, _ = load_mnist()
    batches = space["digit_stream"](
        framework, learned, getattr(space["runtime"], f"{short}_device")
    )
    z = np.random.default_rng(0).normal(size=(SAMPLES, space["Z_SIZE"])).astype(np.float32)
    return step, batches, lambda: space[f"draw_digits_{short}"](G_mean, z)


def peer(framework):
    """Return step, batches and sample() of the tutorial's recipe."""
    runtime = course_utils.setup(seed=0)
    learned, _ = load_mnist()
    make = peer_torch if framework == "torch" else peer_tf
    step, sample = make(np.random.default_rng(0).normal(size=(SAMPLES, 100)).astype(np.float32))
    device = runtime.torch_device if framework == "torch" else runtime.tf_device
    batches = ((x_real,) for x_real in learned.batches(framework, 256, 0, device))
    return step, batches, sample


def peer_tf(z_samples):
    """Build the tutorial's networks and step in TensorFlow.

    5 x 5 kernels, leaky ReLU with Keras' slope of 0.3, Keras' own first weights, dropout in D, Adam
    with 1e-4, and gradients of both players from one pass, before either has moved.
    """
    import keras
    import tensorflow as tf
    from keras import layers

    G = keras.Sequential([layers.Input((100,)), layers.Dense(7 * 7 * 256, use_bias=False)])
    for maps, stride in ((128, 1), (64, 2), (1, 2)):
        G.add(layers.BatchNormalization())
        G.add(layers.LeakyReLU())
        if maps == 128:
            G.add(layers.Reshape((7, 7, 256)))
        G.add(layers.Conv2DTranspose(maps, 5, stride, padding="same", use_bias=False))
    G.add(layers.Activation("tanh"))
    D = keras.Sequential([layers.Input((28, 28, 1))])
    for maps in (64, 128):
        D.add(layers.Conv2D(maps, 5, strides=2, padding="same"))
        D.add(layers.LeakyReLU())
        D.add(layers.Dropout(0.3))
    D.add(layers.Flatten())
    D.add(layers.Dense(1))
    adams = keras.optimizers.Adam(1e-4), keras.optimizers.Adam(1e-4)

    def bce(target, logits):
        targets = tf.fill(tf.shape(logits), target)
        return tf.reduce_mean(tf.nn.sigmoid_cross_entropy_with_logits(targets, logits))

    @tf.function
    def step(x_real):
        with tf.GradientTape(persistent=True) as tape:
            x_fake = G(tf.random.normal((len(x_real), 100)), training=True)
            real_logits, fake_logits = D(x_real, training=True), D(x_fake, training=True)
            d_loss = bce(1.0, real_logits) + bce(0.0, fake_logits)
            g_loss = bce(1.0, fake_logits)
        for loss, network, adam in zip((g_loss, d_loss), (G, D), adams, strict=True):
            variables = network.trainable_variables
            adam.apply(tape.gradient(loss, variables), variables)
        return {"d_loss": d_loss, "g_loss": g_loss}

    return step, lambda: G(tf.constant(z_samples), training=False)


def peer_torch(z_samples):
    """Build the same in PyTorch, with Keras' first weights and batch normalisation."""
    import torch
    from torch import nn

    G_blocks = [nn.Linear(100, 7 * 7 * 256, bias=False)]
    for before, maps, stride in ((256, 128, 1), (128, 64, 2), (64, 1, 2)):
        features = 7 * 7 * 256 if before == 256 else before
        norm = nn.BatchNorm1d if before == 256 else nn.BatchNorm2d
        G_blocks += [norm(features, eps=1e-3, momentum=0.01), nn.LeakyReLU(0.3)]
        G_blocks += [nn.Unflatten(1, (256, 7, 7))] if before == 256 else []
        G_blocks += [nn.ConvTranspose2d(before, maps, 5, stride, 2, stride - 1, bias=False)]
    G = nn.Sequential(*G_blocks, nn.Tanh())
    D_blocks = []
    for before, maps in ((1, 64), (64, 128)):
        D_blocks += [nn.Conv2d(before, maps, 5, 2, 2), nn.LeakyReLU(0.3), nn.Dropout(0.3)]
    D = nn.Sequential(*D_blocks, nn.Flatten(), nn.Linear(7 * 7 * 128, 1))
    for layer in (*G, *D):
        if isinstance(layer, (nn.Linear, nn.Conv2d, nn.ConvTranspose2d)):
            nn.init.xavier_uniform_(layer.weight)
        if isinstance(layer, (nn.Linear, nn.Conv2d)) and layer.bias is not None:
            nn.init.zeros_(layer.bias)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    adams = [torch.optim.Adam(network.to(device).parameters(), 1e-4) for network in (G, D)]
    bce = nn.functional.binary_cross_entropy_with_logits

    def step(x_real):
        x_fake = G(torch.randn(len(x_real), 100, device=device))
        real_logits, fake_logits = D(x_real), D(x_fake)
        ones, zeros = torch.ones_like(real_logits), torch.zeros_like(real_logits)
        d_loss = bce(real_logits, ones) + bce(fake_logits, zeros)
        g_loss = bce(fake_logits, ones)
        weights = list(G.parameters()), list(D.parameters())
        gradients = (
            torch.autograd.grad(g_loss, weights[0], retain_graph=True),
            torch.autograd.grad(d_loss, weights[1]),
        )
        for parameters, values, adam in zip(weights, gradients, adams, strict=True):
            for parameter, value in zip(parameters, values, strict=True):
                parameter.grad = value
            adam.step()
        return {"d_loss": d_loss, "g_loss": g_loss}

    def sample():
        G.eval()
        with torch.no_grad():
            x_fake = G(torch.from_numpy(z_samples).to(device))
        G.train()
        return x_fake

    return step, sample


RECIPES = {"chapter 04": chapter_04, "robust": robust, "peer": peer}


def train_one(recipe, framework, seconds, output):
    """Train one recipe for so many seconds; store samples of each moment, as bytes."""
    step, batches, sample = RECIPES[recipe](framework)
    moments = [moment for moment in MOMENTS if moment < seconds] + [seconds]
    spent, steps, pictures = 0.0, 0, []
    name = f"{recipe}, {FRAMEWORKS[framework]}"
    with tqdm(total=seconds, desc=name, bar_format="{l_bar}{bar}| {n:.0f}/{total:.0f} s") as bar:
        for moment in moments:
            while spent < moment:
                start = time.perf_counter()
                record = step(*next(batches))
                loss = record["g_loss"]
                float(loss.detach() if framework == "torch" else loss)  # waits for the step
                taken = time.perf_counter() - start
                spent, steps = spent + taken, steps + 1
                bar.update(min(taken, seconds - bar.n))
            pictures.append(np.uint8(np.round(course_utils.as_images(sample()) * 255)))
    np.savez(output, moments=moments, steps=steps, seconds=spent, pictures=pictures)


class Scorer:
    """Scores samples against real digits that neither GAN nor classifier learned from."""

    def __init__(self):
        learned, held_out = load_mnist()
        self.judge = course_utils.DigitClassifier(learned)
        features = self.judge.features(held_out.images[: 2 * SAMPLES])
        self.reference = features[:SAMPLES]
        self.floor = course_utils.frechet_distance(self.reference, features[SAMPLES:])

    def __call__(self, pictures):
        """Return distance over floor, classes found and share of confident samples."""
        distance = course_utils.frechet_distance(self.reference, self.judge.features(pictures))
        probabilities = self.judge.probabilities(pictures)
        called = probabilities.argmax(1)[probabilities.max(1) > 0.9]
        shares = np.bincount(called, minlength=10) / len(pictures)
        return distance / self.floor, int(np.sum(shares >= 0.01)), float(shares.sum())


def seconds_to(curve, level):
    """Return when the score first came down to a level, between two moments; None if it did not."""
    before, high = 0.0, None
    for moment, (score, _, _) in curve.items():
        if score <= level and high is None:
            return moment
        if score <= level:
            way = math.log(high / level) / math.log(high / score)
            return before + way * (moment - before)
        before, high = moment, score
    return None


def as_seconds(value):
    if value is None:
        return "-"
    return f"{value:.1f} s" if value < 10 else f"{value:.0f} s"


def report(curves, speeds):
    """Print the tables; a curve gives the scores at each moment."""
    print("\nscore after so many seconds of training (1: as real digits)")
    measured = {moment for curve in curves.values() for moment in curve}
    shown = sorted(measured & {*SHOWN, max(measured)})
    print(f"{'':24}" + "".join(f"{moment:>7g} s" for moment in shown) + "  ms a step")
    for (recipe, framework), curve in curves.items():
        cells = [f"{curve[m][0]:9.1f}" if m in curve else f"{'-':>9}" for m in shown]
        speed = speeds[recipe, framework]
        print(f"{recipe:12}{FRAMEWORKS[framework]:12}" + "".join(cells) + f"{speed:11.0f}")
    print("\nseconds until the score is at most")
    print(f"{'':24}" + "".join(f"{level:>9}" for level in LEVELS))
    for (recipe, framework), curve in curves.items():
        cells = [as_seconds(seconds_to(curve, level)) for level in LEVELS]
        print(f"{recipe:12}{FRAMEWORKS[framework]:12}" + "".join(f"{cell:>9}" for cell in cells))
    report_ratios(curves)
    print("\ndigits of all ten classes at 30 s")
    for (recipe, framework), curve in curves.items():
        moment = max(moment for moment in curve if moment <= 30)
        _, found, confident = curve[moment]
        answer = "yes" if found == 10 else f"no, {found}"
        when = "" if moment == 30 else f" (at {moment:g} s)"
        print(
            f"{recipe:12}{FRAMEWORKS[framework]:12}{answer}, "
            f"{confident:.0%} of the samples confident{when}"
        )


def report_ratios(curves):
    """Print times of one recipe over another, to the same score."""
    for framework in FRAMEWORKS:
        if (curve := curves.get(("peer", framework))) is None:
            continue
        best = min(score for score, _, _ in curve.values())
        print(f"\npeer in {FRAMEWORKS[framework]}: at best {best:.1f}, in {max(curve):g} s")
        for (recipe, ours), other in curves.items():
            if recipe != "peer" and (moment := seconds_to(other, best)):
                ratio = seconds_to(curve, best) / moment
                taken = f"that in {as_seconds(moment)}, {ratio:.0f} times as fast"
                print(f"{recipe:12}{FRAMEWORKS[ours]:12}{taken}")
    print("\nPyTorch's seconds over TensorFlow's, to the same score")
    for recipe in RECIPES:
        if not all((recipe, framework) in curves for framework in FRAMEWORKS):
            continue
        cells = []
        for level in LEVELS:
            times = [seconds_to(curves[recipe, framework], level) for framework in FRAMEWORKS]
            cells.append(f"{times[0] / times[1]:.2f}" if None not in times else "-")
        print(f"{recipe:24}" + "".join(f"{cell:>9}" for cell in cells))


def draw(curves, path):
    """Draw the scores over the seconds, a line for each recipe and framework."""
    figure, axis = plt.subplots(figsize=(7.5, 3.8), layout="constrained")
    styles = dict(zip(RECIPES, ("--", "-", ":"), strict=True))
    for (recipe, framework), curve in curves.items():
        name = FRAMEWORKS[framework]
        scores = [score for score, _, _ in curve.values()]
        label, colour = f"{recipe}, {name}", COLOURS[name]
        axis.loglog(list(curve), scores, styles[recipe], color=colour, label=label)
    axis.axhline(1, color=COLOURS["real"], lw=4, alpha=0.35)
    axis.set(xlabel="seconds of training on MNIST", ylabel="Fréchet distance, real digits: 1")
    axis.xaxis.set_major_formatter("{x:g}")
    axis.yaxis.set_major_formatter("{x:g}")
    axis.legend(frameon=False, fontsize=9, loc="lower left")
    temporary = path.with_name(f".{path.name}")
    temporary.write_bytes(figure_png(figure))
    temporary.replace(path)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--recipes", nargs="+", default=list(RECIPES), choices=list(RECIPES))
    parser.add_argument("--seconds", type=float, default=120, help="of training, a recipe")
    parser.add_argument("--peer-seconds", type=float, default=240, help="of training, the peer")
    parser.add_argument("--figure", type=Path, help="draw the scores into this PNG file, too")
    parser.add_argument("--one", nargs=3, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.one:
        recipe, framework, output = chosen.one
        train_one(recipe, framework, chosen.seconds, output)
        return
    if chosen.figure and not chosen.figure.parent.is_dir():
        parser.error(f"the folder of --figure {chosen.figure} does not exist")
    load_mnist()  # Say at once if it is missing.
    curves, speeds = {}, {}
    with tempfile.TemporaryDirectory() as folder:
        runs = [(recipe, framework) for recipe in chosen.recipes for framework in FRAMEWORKS]
        for recipe, framework in runs:
            seconds = chosen.peer_seconds if recipe == "peer" else chosen.seconds
            output = Path(folder) / f"{recipe}-{framework}.npz"
            command = [sys.executable, __file__, "--one", recipe, framework, str(output)]
            command += ["--seconds", str(seconds)]
            if subprocess.run(command).returncode:
                sys.exit(f"{recipe} in {FRAMEWORKS[framework]} failed.")
        score = Scorer()  # After the trainings: its threads must not disturb them.
        for recipe, framework in tqdm(runs, desc="scores"):
            with np.load(Path(folder) / f"{recipe}-{framework}.npz") as stored:
                scores = map(score, stored["pictures"])
                curve = dict(zip(stored["moments"].tolist(), scores, strict=True))
                speeds[recipe, framework] = 1e3 * stored["seconds"] / stored["steps"]
            curves[recipe, framework] = curve
    print(f"\nfloor: Frechet distance {score.floor:.2f}, real against real, {SAMPLES:,} of each")
    report(curves, speeds)
    if chosen.figure:
        draw(curves, chosen.figure)


if __name__ == "__main__":
    main()
