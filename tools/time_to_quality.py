"""Measure how good samples are after so much training on MNIST, for three recipes.

    COURSE_DATA=folder python tools/time_to_quality.py
    COURSE_DATA=folder python tools/time_to_quality.py --steps 100 --recipes "chapter 04"
    COURSE_DATA=folder python tools/time_to_quality.py --figure docs/time_to_quality.png

The folder must hold MNIST, as torchvision stores it. Run it on a quiet machine.
Each recipe trains from scratch in each framework, in a fresh process:

* chapter 04: the DCGAN of its notebook, its falling rates stretched over 2,000 steps;
* robust: the recipe of chapter 11's notebook, with learning rates that never fall;
* peer: the recipe of the DCGAN tutorial on TensorFlow's site, told again in our own words.

The first two are taken from the notebooks, so this file does not repeat them. The clock runs only
while a training does, from its first step on: TensorFlow's tracing counts, drawing samples does
not. The score is the Frechet distance of 2,000 samples, in features of a classifier of real MNIST
digits, over that of 2,000 real digits (its floor): 1 is perfect. A class is found when at least 1 %
of all samples are called by it with a probability above 0.9.

Seconds of two machines cannot be compared; so the tables give steps, too, and products: how often
the machine does a float32 matrix product of 256 x 256 in that time, in the same process.
"""

import argparse
import math
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from recipes import RECIPES, SAMPLES, load_mnist
from tqdm import tqdm

import course_utils
from course_utils import machine
from course_utils.plots import COLOURS, figure_png

FRAMEWORKS = {"torch": "PyTorch", "tensorflow": "TensorFlow"}
MOMENTS = (1, 2, 3, 4, 5, 7, 10, 14, 20, 30, 45, 60, 90, 120, 180, 240, 360, 480)
SHOWN = (5, 10, 30, 60, 120, 240)
MARKS = (100, 250, 500, 1000, 1500, 2000)  # Steps; seconds are the measure of a machine.
LEVELS = (150, 100, 50, 30, 20, 10, 5)


def train_one(recipe, framework, seconds, steps, output):
    """Train one recipe for so many seconds or steps; store samples of each moment, as bytes."""
    step, batches, sample = RECIPES[recipe](framework)
    measured = machine.measure({FRAMEWORKS[framework]: sys.modules[framework]}, budget=0.5)
    product = measured[FRAMEWORKS[framework], "product"]
    due, moments, times, counts, pictures = list(MOMENTS), [], [], [], []
    spent, made = 0.0, 0
    with tqdm(total=steps, desc=f"{recipe}, {FRAMEWORKS[framework]}", unit="step") as bar:
        while spent < seconds and made < steps:
            start = time.perf_counter()
            loss = step(*next(batches))["g_loss"]
            float(loss.detach() if framework == "torch" else loss)  # waits for the step
            spent, made = spent + time.perf_counter() - start, made + 1
            bar.update()
            passed = [moment for moment in due if moment <= spent]
            if passed or made in MARKS:
                due = due[len(passed) :]
                moments.append(passed[-1] if passed else 0)  # 0: only a mark
                times.append(spent)
                counts.append(made)
                pictures.append(np.uint8(np.round(course_utils.as_images(sample()) * 255)))
    results = {"moments": moments, "spent": times, "steps": counts, "pictures": pictures}
    np.savez(output, step=spent / made, product=product, **results)


class Scorer:
    """Scores samples against real digits that neither GAN nor classifier learned from."""

    def __init__(self):
        learned, held_out = load_mnist()
        self.judge = course_utils.PictureClassifier(learned)
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
    """Return seconds as text; a dash for None."""
    if value is None:
        return "-"
    return f"{value:.1f} s" if value < 10 else f"{value:.0f} s"


def as_count(value, unit):
    """Return how many units of so many seconds a time is, as text; a dash for None."""
    return "-" if value is None else f"{value / unit:,.0f}"


def report_levels(curves, title, tell):
    """Print when each score came down to each level; ``tell(run, seconds)`` gives the text."""
    print(f"\n{title} until the score is at most")
    print(f"{'':24}" + "".join(f"{level:>11}" for level in LEVELS))
    for (recipe, framework), curve in curves.items():
        cells = [tell((recipe, framework), seconds_to(curve, level)) for level in LEVELS]
        print(f"{recipe:12}{FRAMEWORKS[framework]:12}" + "".join(f"{cell:>11}" for cell in cells))


def report_marks(marks, units):
    """Print scores after so many steps, and what those steps took."""
    print("\nafter so many steps      steps      score    seconds  thousand products")
    for (recipe, framework), reached in marks.items():
        for steps, (score, seconds) in reached.items():
            products = as_count(seconds, 1e3 * units[recipe, framework])
            row = f"{steps:9,}{score:11.2f}{seconds:11.0f}{products:>19}"
            print(f"{recipe:12}{FRAMEWORKS[framework]:10}{row}")


def report(curves, speeds, units):
    """Print the tables.

    A curve gives the scores at each moment, ``speeds`` the seconds a step of each run, and
    ``units`` the seconds of a matrix product beside it.
    """
    print("\nscore after so many seconds of training (1: as real digits)")
    measured = {moment for curve in curves.values() for moment in curve}
    shown = sorted(measured & {*SHOWN})
    heads = "".join(f"{moment:>7g} s" for moment in shown)
    print(f"{'':24}{heads}  ms a step  products a step")
    for (recipe, framework), curve in curves.items():
        cells = [f"{curve[m][0]:9.1f}" if m in curve else f"{'-':>9}" for m in shown]
        speed = speeds[recipe, framework]
        cells.append(f"{1e3 * speed:11.0f}{speed / units[recipe, framework]:17.1f}")
        print(f"{recipe:12}{FRAMEWORKS[framework]:12}" + "".join(cells))
    report_levels(curves, "seconds", lambda run, seconds: as_seconds(seconds))
    report_levels(curves, "steps", lambda run, seconds: as_count(seconds, speeds[run]))
    report_levels(
        curves, "thousand products", lambda run, seconds: as_count(seconds, 1e3 * units[run])
    )
    report_ratios(curves)
    print("\ndigits of all ten classes at 30 s")
    for (recipe, framework), curve in curves.items():
        if not curve:
            continue  # It took less than a second.
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
        if not (curve := curves.get(("peer", framework))):
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
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--recipes", nargs="+", default=list(RECIPES), choices=list(RECIPES))
    parser.add_argument("--steps", type=int, default=2000, help="of training, at most")
    parser.add_argument("--peer-seconds", type=float, default=240, help="of the peer's training")
    parser.add_argument("--figure", type=Path, help="draw the scores into this PNG file, too")
    parser.add_argument("--one", nargs=3, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.steps < 1 or chosen.peer_seconds <= 0:
        parser.error("--steps must be at least 1, and --peer-seconds above 0")
    if chosen.one:
        recipe, framework, output = chosen.one
        seconds = chosen.peer_seconds if recipe == "peer" else math.inf
        train_one(recipe, framework, seconds, chosen.steps, output)
        return
    if chosen.figure and not chosen.figure.parent.is_dir():
        parser.error(f"the folder of --figure {chosen.figure} does not exist")
    load_mnist()  # Say at once if it is missing.
    curves, marks, speeds, units = {}, {}, {}, {}
    with tempfile.TemporaryDirectory() as folder:
        runs = [(recipe, framework) for recipe in chosen.recipes for framework in FRAMEWORKS]
        for recipe, framework in runs:
            output = Path(folder) / f"{recipe}-{framework}.npz"
            command = [sys.executable, __file__, "--one", recipe, framework, str(output)]
            command += [f"--steps={chosen.steps}", f"--peer-seconds={chosen.peer_seconds}"]
            if subprocess.run(command).returncode:
                sys.exit(f"{recipe} in {FRAMEWORKS[framework]} failed.")
        score = Scorer()  # After the trainings: its threads must not disturb them.
        for recipe, framework in tqdm(runs, desc="scores"):
            run = recipe, framework
            with np.load(Path(folder) / f"{recipe}-{framework}.npz") as stored:
                speeds[run], units[run] = float(stored["step"]), float(stored["product"])
                scores = [score(pictures) for pictures in stored["pictures"]]
                moments, seconds, steps = (stored[name] for name in ("moments", "spent", "steps"))
            curves[run] = {int(m): s for m, s in zip(moments, scores, strict=True) if m}
            marks[run] = {
                int(made): (s[0], float(spent))
                for made, s, spent in zip(steps, scores, seconds, strict=True)
                if made in MARKS
            }
    print(f"\nfloor: Frechet distance {score.floor:.2f}, real against real, {SAMPLES:,} of each")
    report_marks(marks, units)
    report(curves, speeds, units)
    if chosen.figure:
        draw(curves, chosen.figure)


if __name__ == "__main__":
    main()
