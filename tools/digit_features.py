"""Train the network whose features chapter 09 scores by, and write it to course_utils/weights/.

    python tools/digit_features.py

Network, step and stream are those of the chapter's notebook, in PyTorch with seed 0: 300 steps on
1,000 digits, a few seconds. The chapter holds the file's checksum; this prints the new one.
"""

import argparse
import hashlib
from pathlib import Path

import torch
from recipes import NOTEBOOKS, from_notebook

import course_utils

WEIGHTS = Path(__file__).parents[1] / "course_utils" / "weights"
STEPS = 300


def main():
    """Run the command line: train the classifier, store it, print its checksum and accuracy."""
    argparse.ArgumentParser(description=__doc__.splitlines()[0]).parse_args()
    space = from_notebook(NOTEBOOKS / "09_evaluating_gans.ipynb", "def accuracy(logits):")
    torch.manual_seed(0)
    classifier = space["make_classifier_torch"]()
    adam = torch.optim.Adam(classifier.parameters(), 2e-3, betas=(0.5, 0.999), eps=1e-8)
    step = space["make_learn_torch"](classifier, adam)
    course_utils.train(step, space["moved_batches"]("torch"), STEPS, "features")
    held_out = space["held_out"]
    called = space["run_torch"](classifier, held_out.images).argmax(axis=1)
    file = WEIGHTS / "digit_features.safetensors"
    course_utils.save_checkpoint(file, {"classifier": classifier})
    print(f"SHA256 = {hashlib.sha256(file.read_bytes()).hexdigest()!r}")
    print(f"accuracy on held-out digits: {(called == held_out.labels).mean():.3f}")


if __name__ == "__main__":
    main()
