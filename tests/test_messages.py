"""The table of messages: a wrong call, and how what it raises begins."""

import ast
import re
import traceback
from pathlib import Path

import keras
import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from property_inputs import HOME

import course_utils as cu
from course_utils.training import History

ONES = np.ones((4, 2))
SET = cu.ImageSet("set", np.zeros((4, 8, 8, 1), np.uint8), np.arange(4) % 2, ("a", "b"))
RUNS = {"PyTorch": History({"D(x)": [2.0], "D(G(z))": [0.5]}, steps=1)}
ONE_CLASS = cu.ImageSet("one", SET.images, [0] * 4, ["a"])
NET = torch.nn.Linear(2, 1)
ILL = cu.doctor.Report((cu.doctor.Finding("who moves", "ill", "none", 0.0, "all"),))


def keras_relu():
    return keras.Sequential([keras.Input((2,)), keras.layers.ReLU()])


def draw(**_):
    return plt.figure(figsize=(1, 1))


# Call, and the exact start of its message.
TABLE = [
    (lambda: cu.doctor.examine(NET, None, print, (ONES,)), "G and D must be two torch.nn.Module"),
    (lambda: cu.doctor.examine(NET, NET, print, ONES), "batch must be the tuple that step(*batch)"),
    (lambda: cu.doctor.examine(NET, NET, print, (ONES[0],)), "batch[0] must be a tensor of two"),
    (
        lambda: cu.doctor.examine(NET, NET, print, (ONES,), only=["x"]),
        "No instrument is called 'x'",
    ),
    (lambda: ILL.assert_sound(), "1 of 1 findings are ill.\nILL: who moves"),
    (lambda: cu.to_numpy([[1], [1, 2]]), "Expected an array or tensor with rows of one length"),
    (lambda: cu.to_numpy(None), "Expected an array or tensor of numbers, but got NoneType"),
    (lambda: cu.check("a", 1), "check('a', ...) needs at_least=, at_most= or both."),
    (lambda: cu.check("a", 1, np.nan), "check('a', ...) has a bound that asks nothing"),
    (lambda: cu.check("a", 1, 2, 1), "check('a', ...) has bounds that no value keeps"),
    (lambda: cu.check("a\nb", 1, 0), "check('a\\nb', ...) needs a name of one line."),
    (lambda: cu.check("a", "1", 0), "check('a', ...) needs one number, but got '1'."),
    (lambda: cu.check("a", np.inf, 0), "a: inf, expected at least 0."),
    (lambda: cu.Explorer(None, "A."), "draw must be a function, but got None."),
    (lambda: cu.Explorer(draw, "A.", {"h": ()}), "Slider 'h' needs (lowest, highest, start)"),
    (lambda: cu.Explorer(draw, "A.", {"h": (0, 1, 0, 0)}), "Slider 'h' needs a step above 0"),
    (lambda: cu.Explorer(draw, "A.", {"h": (0, 1, 2)}), "Slider 'h' starts at 2, outside 0 to 1."),
    (lambda: cu.Explorer(draw, "A.").set(h=1), "No slider is called 'h'."),
    (lambda: cu.Explorer(draw, "A.", {"h": (0, 1, 0)}).set(h=2), "Slider 'h' must be 0 to 1, but"),
    (lambda: cu.ImageSet("s", [], [], "a"), "images must be a NumPy array of uint8, but got list"),
    (lambda: cu.ImageSet("s", SET.images, [0] * 4, "ab"), "class_names must be a list of str, but"),
    (lambda: cu.ImageSet("s", SET.images, [0], ["a"]), "There must be one label for each of 4"),
    (lambda: cu.ImageSet("s", SET.images, [9] * 4, ["a"]), "Labels must be 0 to 0, because"),
    (lambda: SET.split(1.0), "fraction must lie between 0 and 1, but got 1.0."),
    (lambda: SET.split(np.nan), "fraction must be a number, but got nan."),
    (lambda: SET.split(seed=None), "seed must be a whole number, but got None."),
    (lambda: SET.require_size(16), "The networks of this chapter make pictures of 16 pixels"),
    (lambda: SET.batches("torch", True), "batch_size must be a whole number from 1 to 4"),
    (lambda: SET.batches("jax", 2), "framework must be one of torch, tensorflow, numpy, but"),
    (lambda: SET.batches("torch", 2, device="x"), "device must be one that PyTorch has here, but"),
    (lambda: SET.batches("tensorflow", 2, device=1), "device must be one of TensorFlow's, but got"),
    (lambda: cu.one_hot([0.5], 2), "Labels must be whole numbers of shape (N,), but got float64"),
    (lambda: cu.one_hot([0], 0), "classes must be 1 to 100000, but got 0."),
    (lambda: cu.load_images("minst"), "No data set is called 'minst'. Choose one of: digits"),
    (lambda: cu.load_images(size=7), "size must be a whole number of pixels from 8 to 512"),
    (lambda: cu.load_images(root=1), "root must be the path of a folder, but got 1."),
    (lambda: cu.load_images(fit="pad"), 'fit, background and channels are for "folder"'),
    (lambda: cu.load_images("folder"), 'load_images("folder") needs root='),
    (lambda: cu.load_images("folder", root="nowhere"), "There is no folder nowhere."),
    (lambda: cu.load_images("folder", root=".", channels=2), "channels must be 1 (grey) or 3"),
    (lambda: cu.load_images("folder", root=".", fit="x"), "fit must be one of crop, pad, stretch"),
    (lambda: cu.load_images("folder", root=".", background="x"), "background must be a colour"),
    (lambda: cu.PictureClassifier(None), "Expected an ImageSet, but got NoneType."),
    (lambda: cu.class_alignment(None, 1, 1), "classifier must be a PictureClassifier, but got"),
    (lambda: cu.frechet_distance([1.0], ONES), "The real features must be numbers of shape (N, d)"),
    (lambda: cu.frechet_distance(ONES, ONES[:1]), "This score needs at least 2 generated features"),
    (
        lambda: cu.frechet_distance(ONES * np.nan, ONES),
        "The real features must be finite, but hold",
    ),
    (lambda: cu.frechet_distance(ONES * 1e31, ONES), "The real features must be 1e+20 at most"),
    (lambda: cu.frechet_distance(ONES, ONES[:, :1]), "Features must be of one width, but got"),
    (lambda: cu.precision_recall(ONES, ONES, 4), "k must be 1 to 3 with so many features, but got"),
    (lambda: cu.two_sample_accuracy(ONES, ONES[:2]), "Give equally many of each, not 4 and 2."),
    (lambda: cu.memorised_share(ONES, ONES, ONES, 2), "quantile must be 0 to 1, but got 2."),
    (lambda: cu.reverse_kl([0.5], [1.0]), "real_shares must be numbers from 0 with a sum of 1"),
    (lambda: cu.reverse_kl([1.0], [0.5, 0.5]), "Both need one share a class, the real ones above"),
    (lambda: cu.matched_accuracy(SET.labels[:0], SET.labels[:0]), "Nothing to match: there are no"),
    (lambda: cu.as_images(np.ones((1, 8, 8, 1), int)), "samples must be uint8 or float, but got"),
    (lambda: cu.as_images(np.ones((8, 8, 1))), "Shape (8, 8, 1) may be one picture or several"),
    (lambda: cu.as_images(np.ones((1, 4, 4, 4))), "Shape (1, 4, 4, 4) has no axis of 1 or 3"),
    (lambda: cu.as_images(np.ones((1, 1, 4, 1))), "Shape (1, 1, 4, 1) fits both layouts: pass"),
    (lambda: cu.as_images(np.ones((1, 4, 4, 2)), "NHWC"), "Shape (1, 4, 4, 2) is not NHWC with"),
    (lambda: cu.as_images(SET.images, "CHW"), "layout must be 'NCHW' or 'NHWC', but got 'CHW'."),
    (lambda: cu.as_images(np.ones((0, 4, 4, 1))), "samples must be a batch of pictures"),
    (lambda: cu.as_images(np.full((1, 4, 4, 1), np.nan)), "samples hold NaN or infinity"),
    (lambda: cu.as_images(np.full((1, 4, 4, 1), 9.0)), "float samples must lie in [-1, 1], but"),
    (lambda: cu.tile(SET.images, 0), "columns must be 1 to 1000, but got 0."),
    (lambda: cu.show_figure(None, "A."), "Expected a Matplotlib figure, but got NoneType."),
    (lambda: cu.show_figure(draw(), ""), "A figure needs a description: say in a sentence what"),
    (lambda: cu.show_losses({}, "A."), "histories must be a dict of str to History, but got an"),
    (lambda: cu.show_losses(RUNS, "A."), "The history holds no 'd_loss', only: D(x), D(G(z))"),
    (lambda: cu.show_telemetry(RUNS, "A."), "show_telemetry draws probabilities, but 'D(x)' goes"),
    (lambda: cu.show_replay(RUNS, "A."), "show_replay needs snapshots, taken at the same steps"),
    (lambda: cu.show_moving(draw, 2, "A."), "moments must be a list, tuple or range, but got 2."),
    (
        lambda: cu.show_moving(lambda _: plt.figure(), [1], "A."),
        "show_moving needs two or more figures of one size, but got 1",
    ),
    (lambda: cu.show_strip(RUNS, "A."), "show_strip needs snapshots of each run: pass snapshot="),
    (lambda: cu.show_samples(SET.images, "A.", row_titles=["a", "b"]), "row_titles must be 1 str"),
    (lambda: cu.show_twins(1, draw), "show_twins needs functions with source code, but got 1."),
    (lambda: cu.setup(-1), "seed must be a whole number from 0 to 2**32 - 1, but got -1."),
    (lambda: cu.copy_weights(NET, NET), "Expected a PyTorch module and a Keras model, but got"),
    (lambda: cu.train(len, 1, 1), "batches must be a stream of batches, but got 1."),
    (lambda: cu.train(len, [ONES], 1), "The step function must return a dict of scalars, such"),
    (lambda: cu.train(lambda _: {"a": "b"}, [0], 1), "The step function must return a dict of"),
    (lambda: cu.train(lambda _: {"a": np.nan}, [0], 1), "training: a became nan at step 1."),
    (lambda: cu.train(len, [], 1), "training: the batches ended after 0 of 1 steps."),
    (lambda: cu.train(len, [0], 1, picture=1), "picture must be a function that returns samples"),
    (lambda: cu.train(len, [], 1, state={}), "checkpoint= and state= belong together"),
    (lambda: cu.save_checkpoint("a.pt", {"a": NET}), "A checkpoint's name must end in"),
    (lambda: cu.save_checkpoint(1, {"a": NET}), "path must be the path of a checkpoint, but got 1"),
    (lambda: cu.save_checkpoint("a.safetensors", {"a/b": NET}), "A name in state must hold no sl"),
    (lambda: cu.save_checkpoint("a.safetensors", {"a": 1}), "Cannot save 'a' of type int"),
    (
        lambda: cu.load_checkpoint("nowhere", {"a": NET}),
        "nowhere is missing or no whole",
    ),
    (lambda: cu.resumable(lambda: 1)(), "resumable needs a function that yields batches, but it"),
    (lambda: setattr(cu.resumable(lambda: [1])(), "position", 2), "The stream ended after 1 batch"),
    (
        lambda: cu.ImageSet("s", np.zeros((4, 8, 8), np.uint8), [0] * 4, ["a"]),
        "images must have the",
    ),
    (
        lambda: cu.ImageSet("s", SET.images, [0, 0, 0, 1], ["ab", "b"]).split(),
        "The class 'b' has a single",
    ),
    (lambda: cu.class_variance_ratios(ONES, [0, 0, 1, 1], ONES, [0, 0, 1, 1]), "The real pictures"),
    (lambda: cu.class_variance_ratios(ONES, [0, 0, 0, 1], ONES, [0, 0, 1, 1]), "A variance needs"),
    (lambda: cu.PictureClassifier(SET).accuracy(ONE_CLASS), "The classifier knows 2 classes, but"),
    (lambda: cu.assert_twins(torch.nn.ReLU(), keras_relu(), ONES), "The twins have no weights, so"),
    (lambda: cu.largest_difference(torch.nn.ReLU(), keras_relu()), "The twins have no trainable"),
    (
        lambda: cu.show_losses({"A": History({"d_loss": [np.nan]}, 1)}, "A."),
        "The values of 'd_loss'",
    ),
]
# Raise statements that no row reaches, a module: how many, and the tests that make them happen: a
# broken download or file, another install, twins that do not pair. No number may grow.
ELSEWHERE = {
    "doctor/case.py": (7, "test_doctor.py"),
    "doctor/losses.py": (10, "test_doctor.py"),
    "doctor/networks.py": (1, "test_doctor.py"),
    "doctor/penalties.py": (4, "test_doctor.py"),
    "doctor/report.py": (1, "test_doctor.py"),
    "doctor/steps.py": (8, "test_doctor.py"),
    "data/downloaded.py": (3, "test_data_downloaded.py"),
    "data/downloads.py": (1, "test_data_downloads.py"),
    "data/folder.py": (2, "test_data_folder.py"),
    "data/image_set.py": (1, "test_data.py"),
    "data/pictures.py": (4, "test_data_pictures.py"),
    "imports.py": (5, "test_imports.py"),
    "metrics/classes.py": (1, "test_properties_scores.py"),
    "metrics/classifier.py": (2, "test_metrics.py"),
    "parity/copying.py": (1, "test_properties_training.py"),
    "parity/pairing.py": (11, "test_parity.py"),
    "parity/proof.py": (5, "test_parity_proof.py"),
    "parity/statistics.py": (1, "test_parity_proof.py"),
    "parity/units.py": (2, "test_parity.py"),
    "training/checkpoints.py": (13, "test_training_checkpoints.py test_training_states.py"),
    "training/states.py": (2, "test_training_states.py"),
}


def raised(call):
    """Return an error, and the place in the course that raised it."""
    with pytest.raises(Exception) as caught:  # noqa: B017, PT011
        call()
    plt.close("all")
    frame = traceback.extract_tb(caught.value.__traceback__)[-1]
    return caught.value, (Path(frame.filename), frame.lineno)


@pytest.mark.parametrize(("call", "start"), TABLE, ids=[start[:40] for _, start in TABLE])
def test_a_message_begins_as_the_table_says(call, start, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    error, _ = raised(call)
    assert isinstance(error, (ValueError, TypeError, OSError, AssertionError, FloatingPointError))
    assert re.match(re.escape(start), str(error)), str(error)
    assert not list(tmp_path.iterdir())


def test_each_raise_statement_is_reached_by_a_row_or_told_of(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    reached = {raised(call)[1] for call, _ in TABLE}
    missed = {}
    for path in sorted(HOME.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Raise) and node.exc is not None:
                lines = range(node.lineno, node.end_lineno + 1)
                if not any((path, line) in reached for line in lines):
                    missed.setdefault(path.relative_to(HOME).as_posix(), []).append(node.lineno)
    told = {module: count for module, (count, _) in ELSEWHERE.items()}
    assert {module: len(lines) for module, lines in missed.items()} == told, missed


@pytest.mark.parametrize("module", ELSEWHERE)
def test_the_tests_that_reach_the_others_are_there(module):
    for name in ELSEWHERE[module][1].split():
        text = (Path(__file__).parent / name).read_text(encoding="utf-8")
        assert "pytest.raises(" in text or "attempt(" in text
