"""Measure the peak memory of the helpers' big cases, each in a process of its own.

    python tools/big_cases.py                       # 40,000 pictures, 60,000 features a side
    python tools/big_cases.py --pictures 200000 --features 60000

Pictures are random ones of 64 x 64 x 3, in two class folders; their memory is told as a multiple
of the array that comes out, above what Python and its libraries take. Scores compare sets of
features of 64 numbers; theirs is told in gigabytes above the features. Linux and macOS only.
"""

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image

PEAK = """
import resource, sys, time
import numpy as np

def peak():
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit

def measure(act):
    before, start = peak(), time.perf_counter()
    result = act()
    return result, peak() - before, time.perf_counter() - start
"""
FOLDER = """
from course_utils import load_images
load_images("digits")  # What it imports is not counted.
images, grown, seconds = measure(lambda: load_images("folder", root=sys.argv[1]).images)
print(f"{len(images):,} pictures: {grown / images.nbytes:.2f} times the result, {seconds:.0f} s")
"""
SCORE = """
import course_utils
score, sets, count = getattr(course_utils, sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
features = np.random.default_rng(0).normal(size=(sets, count, 64)).astype(np.float32)
score(*features[:, :500])  # What it imports is not counted.
_, grown, seconds = measure(lambda: score(*features))
print(f"{sys.argv[1]:22} {count:,} against {count:,}: {grown / 1e9:.2f} GB, {seconds:.0f} s")
"""
# How many sets of features each score takes.
SCORES = {
    "frechet_distance": 2,
    "kernel_distance": 2,
    "precision_recall": 2,
    "density_coverage": 2,
    "memorised_share": 3,
    "two_sample_accuracy": 2,
}


def run(code, *arguments):
    """Run a measurement in a fresh Python and print what it prints."""
    subprocess.run([sys.executable, "-c", PEAK + code, *map(str, arguments)], check=True)


def write_pictures(folder, count):
    """Write random pictures into two class folders."""
    rng = np.random.default_rng(0)
    for label in "ab":
        (folder / label).mkdir()
    for number in range(count):
        picture = rng.integers(256, size=(64, 64, 3), dtype=np.uint8)
        Image.fromarray(picture).save(folder / "ab"[number % 2] / f"{number}.bmp")


def main():
    """Run the command line."""
    parser = argparse.ArgumentParser(prog="python tools/big_cases.py", description=__doc__)
    parser.add_argument("--pictures", type=int, default=40_000)
    parser.add_argument("--features", type=int, default=60_000)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        write_pictures(Path(folder), chosen.pictures)
        run(FOLDER, folder)
    for score, sets in SCORES.items():
        run(SCORE, score, sets, chosen.features)


if __name__ == "__main__":
    main()
