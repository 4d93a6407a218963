"""Train the generators that chapter 00 draws from, and write them to course_utils/weights/.

    python tools/generators.py digits
    python tools/generators.py street

Networks, step and stream are those of chapter 04's notebook, in PyTorch; only the number of steps
is larger, and the rates fall over all of them. A training that was stopped goes on where it was.
The stored weights took 4,000 steps each: on one slow core 10 minutes for the digits, 13 for street.
"""

import argparse
from pathlib import Path

from recipes import NOTEBOOKS, from_notebook

import course_utils

ROOT = Path(__file__).parents[1]
WEIGHTS = ROOT / "course_utils" / "weights"
WIDTH = 32


def train_generator(name, steps):
    """Train chapter 04's pair on a data set, and store the averaged generator."""
    space = from_notebook(NOTEBOOKS / "04_dcgan.ipynb", "step_torch, gan_torch = make_gan_torch(")
    images = course_utils.load_images(name)
    step, gan = space["make_gan_torch"](images.size, images.channels, WIDTH, WIDTH, steps)
    unfinished = ROOT / "build" / f"generator_{name}.safetensors"
    unfinished.parent.mkdir(exist_ok=True)
    batches = space["stream"]("torch", images)
    history = course_utils.train(step, batches, steps, name, checkpoint=unfinished, state=gan)
    if history.steps < steps:
        raise SystemExit(f"Stopped after {history.steps} steps; the same command goes on.")
    course_utils.save_checkpoint(WEIGHTS / f"generator_{name}.safetensors", {"G": gan["G_ema"]})
    unfinished.unlink()


def main():
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("name", choices=["digits", "street"])
    parser.add_argument("--steps", type=int, default=4000)
    chosen = parser.parse_args()
    train_generator(chosen.name, chosen.steps)


if __name__ == "__main__":
    main()
