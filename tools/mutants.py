"""Change the helpers one place at a time, and see whether a test notices.

    python tools/mutants.py                 # the known ones, and twenty drawn ones
    python tools/mutants.py --draw 40 --seed 1
    python tools/mutants.py --module course_utils/metrics.py --draw 10

A mutant is the package with one comparison, one operator, one number or one keyword changed. It is
killed if the tests of its module fail, and survives if they pass: then a wrong helper would, too.
Works on a copy in a temporary folder.
"""

import argparse
import ast
import copy
import functools
import os
import random
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from tqdm import tqdm

ROOT = Path(__file__).resolve().parents[1]
SWAPS = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.And: ast.Or,
    ast.Or: ast.And,
}
# Mutants worth a test each, most of which once survived: (file, text, its replacement).
KNOWN = (
    ("course_utils/metrics/classes.py", "ddof=1", "ddof=0"),
    ("course_utils/metrics/classes.py", "counts.min() < 2", "counts.min() <= 2"),
    ("course_utils/metrics/neighbours.py", "distances <= real_radii", "distances < real_radii"),
    (
        "course_utils/metrics/neighbours.py",
        "distances <= generated_radii",
        "distances < generated_radii",
    ),
    ("course_utils/metrics/neighbours.py", "distances <= radii", "distances < radii"),
    ("course_utils/metrics/neighbours.py", "<= near", "< near"),
    ("course_utils/metrics/neighbours.py", "1, len(features) - 1)", "1, len(features))"),
    ("course_utils/metrics/neighbours.py", "[:, k].copy()", "[:, k - 1].copy()"),
    ("course_utils/metrics/features.py", "len(array) < least", "len(array) <= least"),
    ("course_utils/metrics/distances.py", "fewest < d", "fewest <= d"),
    ("course_utils/metrics/classifier.py", "> threshold", ">= threshold"),
    ("course_utils/data/resizing.py", "BICUBIC", "NEAREST"),
    ("course_utils/data/resizing.py", "BICUBIC", "BILINEAR"),
    ("course_utils/data/pictures.py", "BICUBIC", "NEAREST"),
    ("course_utils/data/pictures.py", "/ 257", "/ 256"),
    ("course_utils/data/pictures.py", "80_000_000", "80_000_001"),
    ("course_utils/data/pictures.py", "> MOST_PIXELS", ">= MOST_PIXELS"),
    ("course_utils/data/loading.py", "8 <= size <= 512", "8 < size <= 512"),
    ("course_utils/data/loading.py", "8 <= size <= 512", "8 <= size < 512"),
    ("course_utils/data/batches.py", "<= DEVICE_LIMIT", "< DEVICE_LIMIT"),
    ("course_utils/data/batches.py", "1 <= batch_size <= len", "1 <= batch_size < len"),
    ("course_utils/data/image_set.py", "0 < fraction < 1", "0 <= fraction <= 1"),
    ("course_utils/data/image_set.py", "(counts == 1).any()", "(counts == 0).any()"),
    ("course_utils/data/image_set.py", "least, counts - least)", "least, counts)"),
    ("course_utils/data/image_set.py", "[in_turn] < (counts", "[in_turn] <= (counts"),
    ("course_utils/training/streams.py", "position < self._position", "position <= self._position"),
    ("course_utils/training/loop.py", "saved < history.steps", "saved <= history.steps"),
    ("course_utils/training/loop.py", "steps < 1", "steps <= 1"),
    ("course_utils/training/loop.py", "moments < 2", "moments <= 2"),
    (
        "course_utils/training/checkpoints.py",
        "History(steps=",
        'History(stopped="interrupted", steps=',
    ),
    ("course_utils/plots/pictures.py", "array.min() < -1.01", "array.min() <= -1.01"),
    ("course_utils/plots/pictures.py", "array.max() > 1.01", "array.max() >= 1.01"),
    ("course_utils/explore.py", "lowest <= start <= highest", "lowest <= start < highest"),
    ("course_utils/parity/proof.py", "TERMS_SHARE = 0.02", "TERMS_SHARE = 0.0"),
    ("course_utils/parity/proof.py", "TERMS_SHARE = 0.02", "TERMS_SHARE = 1.0"),
    ("course_utils/parity/proof.py", "ATTEMPTS = 3", "ATTEMPTS = 1"),
    ("course_utils/parity/proof.py", "return weights.astype(dtype)", "return weights"),
    (
        "course_utils/parity/proof.py",
        ".to(parameter.dtype).to(parameter.device)",
        ".to(parameter.device).to(parameter.dtype)",
    ),
)


def tests_of(module):
    """Test files of a module: tests/test_NAME*.py, by the name of its file or folder."""
    name = module.parts[1].removesuffix(".py")
    found = sorted((ROOT / "tests").glob(f"test_{name}*.py"))
    return found or sorted((ROOT / "tests").glob("test_small_helpers*.py"))


def places(tree):
    """Nodes that can be changed; names and texts for people are left alone."""
    silent = set()
    for node in ast.walk(tree):
        if isinstance(node, (ast.JoinedStr, ast.Raise, ast.Assert)):
            silent |= {id(inner) for inner in ast.walk(node)}
    for node in ast.walk(tree):
        if id(node) in silent:
            continue
        number = isinstance(node, ast.Constant) and type(node.value) in (int, float, bool)
        swap = isinstance(node, (ast.Compare, ast.BinOp, ast.BoolOp))
        swap = swap and type(getattr(node, "op", None) or node.ops[0]) in SWAPS
        if number or swap:
            yield node


def change(tree, number):
    """Return a copy of the tree with its place of that number changed, and what was changed."""
    tree = copy.deepcopy(tree)
    node = list(places(tree))[number]
    before = ast.unparse(node)
    if isinstance(node, ast.Constant):
        value = node.value
        node.value = not value if isinstance(value, bool) else value + 1
    elif isinstance(node, ast.Compare):
        node.ops[0] = SWAPS[type(node.ops[0])]()
    else:
        node.op = SWAPS[type(node.op)]()
    return ast.unparse(tree), f"line {node.lineno}: {before}  ->  {ast.unparse(node)}"


def drawn(modules, count, seed):
    """Yield (module, source, what) of mutants drawn evenly over all places of the modules."""
    trees = {module: ast.parse((ROOT / module).read_text(encoding="utf-8")) for module in modules}
    pool = [(m, i) for m, tree in trees.items() for i, _ in enumerate(places(tree))]
    for module, number in random.Random(seed).sample(pool, min(count, len(pool))):
        yield module, *change(trees[module], number)


def known():
    """Yield (module, source, what) of the known mutants."""
    for name, text, replacement in KNOWN:
        module = Path(name)
        source = (ROOT / module).read_text(encoding="utf-8")
        if source.count(text) != 1:
            raise ValueError(f"{name} holds {text!r} {source.count(text)} times, not once")
        yield module, source.replace(text, replacement), f"{text}  ->  {replacement}"


@functools.cache
def pass_unchanged(folder, names):
    """Whether these test files pass on the package as it is."""
    return not fail(folder, names)


def killed(folder, module, source):
    """Whether the module's tests fail with this source; it is put back afterwards."""
    names = tuple(str(test.relative_to(ROOT)) for test in tests_of(module))
    if not pass_unchanged(folder, names):
        raise RuntimeError(f"{', '.join(names)} fail already, so no mutant can be judged")
    path = folder / module
    original = path.read_text(encoding="utf-8")
    path.write_text(source, encoding="utf-8")
    try:
        return fail(folder, names)
    finally:
        path.write_text(original, encoding="utf-8")


def fail(folder, names):
    """Run test files in a folder; return whether one of their tests fails."""
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-n0", "-p", "no:cacheprovider", *names]
    child = subprocess.run(
        command,
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(folder)},
        capture_output=True,
        text=True,
    )
    if child.returncode not in (0, 1):
        raise RuntimeError(f"pytest ended with {child.returncode}:\n{child.stdout}{child.stderr}")
    return child.returncode == 1


def main():
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--draw", type=int, default=20, help="how many to draw besides the known")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--module", action="append", type=Path, help="draw from these files only")
    chosen = parser.parse_args()
    modules = chosen.module or sorted(
        path.relative_to(ROOT) for path in (ROOT / "course_utils").rglob("*.py")
    )
    mutants = [] if chosen.module else list(known())
    mutants += drawn(modules, chosen.draw, chosen.seed)
    survivors = 0
    with tempfile.TemporaryDirectory() as folder:
        skipped = shutil.ignore_patterns(".*", "__pycache__", "*.egg-info")
        copy_of_it = shutil.copytree(ROOT, Path(folder) / "course", ignore=skipped)
        for module, source, what in tqdm(mutants, unit="mutant"):
            dead = killed(copy_of_it, module, source)
            survivors += not dead
            tqdm.write(f"{'killed  ' if dead else 'SURVIVES'} {module}, {what}", file=sys.stdout)
    print(f"{len(mutants) - survivors} of {len(mutants)} killed")
    sys.exit(1 if survivors else 0)


if __name__ == "__main__":
    main()
