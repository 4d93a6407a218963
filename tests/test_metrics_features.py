"""Scores on features: exact values, and what each must notice before the course trusts it."""

import warnings

import numpy as np
import pytest
import tensorflow as tf
import torch
from digit_judge import digit_judge, digit_parts
from scipy.ndimage import gaussian_filter

from course_utils import (
    density_coverage,
    frechet_distance,
    kernel_distance,
    matched_accuracy,
    memorised_share,
    precision_recall,
    reverse_kl,
    two_sample_accuracy,
)
from course_utils.metrics import features


@pytest.fixture(scope="module")
def parts():
    return digit_parts()


@pytest.fixture(scope="module")
def judge():
    return digit_judge()


# --- scores on features: exact values ------------------------------------------------------------


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def test_frechet_distance_in_one_dimension_is_the_closed_form(rng):
    x, y = rng.normal(2, 3, (500, 1)), rng.normal(-1, 0.5, (400, 1))
    expected = (x.mean() - y.mean()) ** 2 + (x.std(ddof=1) - y.std(ddof=1)) ** 2
    assert frechet_distance(x, y) == pytest.approx(expected, rel=1e-9)


def test_frechet_distance_of_a_shift_is_its_square_and_of_itself_0(rng):
    x = rng.normal(size=(300, 8))
    assert frechet_distance(x, x) == pytest.approx(0, abs=1e-9)
    assert frechet_distance(x, x + 0.5) == pytest.approx(8 * 0.25)


def test_frechet_floor_of_two_finite_samples(rng):
    count, size = 900, 64
    values = [
        frechet_distance(rng.normal(size=(count, size)), rng.normal(size=(count, size)))
        for _ in range(5)
    ]
    floor = 2 * size / count + size * (size + 1) / (2 * count)
    assert np.mean(values) == pytest.approx(floor, rel=0.05)


def test_kernel_distance_is_unbiased(rng):
    x, y = rng.normal(size=(2, 1500, 16))
    mean, deviation = kernel_distance(x, y)
    assert abs(mean) < 2 * deviation
    assert kernel_distance(x, y + 0.5)[0] > 10 * deviation


class _Flat(torch.nn.Module):
    """What torchmetrics needs of a feature network: here the pictures are the features."""

    num_features = 12

    def forward(self, images):
        return images.flatten(1)


@pytest.mark.filterwarnings("ignore:Metric `Kernel Inception Distance` will save")
def test_the_distances_agree_with_torchmetrics(rng):
    from torchmetrics.image.fid import FrechetInceptionDistance
    from torchmetrics.image.kid import KernelInceptionDistance

    x = rng.normal(size=(600, 12)).astype(np.float32)
    y = (rng.normal(size=(600, 12)) @ rng.normal(size=(12, 12)) / 3).astype(np.float32)
    images = [torch.from_numpy(a.reshape(-1, 3, 2, 2)) for a in (x, y)]
    fid = FrechetInceptionDistance(_Flat(), input_img_size=(3, 2, 2)).set_dtype(torch.float64)
    kid = KernelInceptionDistance(_Flat(), subset_size=600, subsets=1)
    for metric in (fid, kid):
        metric.update(images[0], real=True)
        metric.update(images[1], real=False)
    assert frechet_distance(x, y) == pytest.approx(fid.compute().item(), rel=1e-4)
    ours = kernel_distance(x, y, subsets=1, subset_size=600)[0]
    assert ours == pytest.approx(kid.compute()[0].item(), rel=1e-4)


def test_coverage_of_two_equal_samples_is_the_expected_one(rng):
    density, coverage = density_coverage(*rng.normal(size=(2, 1000, 8)))
    assert coverage == pytest.approx(0.969, abs=0.02)
    assert density == pytest.approx(1, abs=0.1)


def test_precision_sees_the_far_and_recall_the_missing(rng):
    x = np.concatenate([rng.normal(size=(200, 2)), rng.normal(size=(200, 2)) + 100])
    half, far = rng.normal(size=(400, 2)), x + [0, 1000]
    assert precision_recall(x, half)[0] > 0.9
    assert precision_recall(x, half)[1] == pytest.approx(0.5, abs=0.05)
    assert precision_recall(x, far) == (0, 0)


def test_the_two_sample_test_knows_its_three_landmarks(rng):
    x, y = rng.normal(size=(2, 500, 4))
    assert two_sample_accuracy(x, y) == pytest.approx(0.5, abs=0.06)
    assert two_sample_accuracy(x, y + 100) == 1
    assert two_sample_accuracy(x, x + 1e-9) == 0


def test_reverse_kl_without_one_of_ten_classes(rng):
    shares = np.full(10, 0.1)
    without = np.where(np.arange(10) == 7, 0, 1 / 9)
    assert reverse_kl(shares, without) == pytest.approx(np.log(10 / 9))
    assert reverse_kl(shares, shares) == 0
    drawn = np.mean([reverse_kl(shares, rng.multinomial(500, shares) / 500) for _ in range(400)])
    assert drawn == pytest.approx(9 / 1000, rel=0.1)


@pytest.mark.parametrize(
    ("score", "message"),
    [
        (lambda: frechet_distance(np.zeros((5, 2)), np.zeros((5, 3))), r"\(5, 2\) and \(5, 3\)"),
        (
            lambda: frechet_distance(np.zeros((5, 2)), np.zeros((1, 2))),
            "at least 2 generated",
        ),
        (lambda: frechet_distance(np.zeros((5, 0)), np.zeros((5, 0))), r"shape \(5, 0\)"),
        (lambda: frechet_distance(np.zeros(5), np.zeros(5)), r"shape \(5,\)"),
        (lambda: frechet_distance([["a"], ["b"]], np.zeros((5, 1))), "must be numbers"),
        (lambda: two_sample_accuracy(np.zeros((5, 2)), np.zeros((4, 2))), "not 5 and 4"),
        (
            lambda: kernel_distance(np.zeros((50, 2)), np.zeros((60, 2))),
            "subset_size must be 2 to 50",
        ),
        (lambda: kernel_distance(LINE, LINE, subset_size=1), "subset_size must be 2 to 4"),
        (lambda: kernel_distance(LINE, LINE, 0, 2), "subsets must be 1"),
        (lambda: precision_recall(np.zeros((3, 2)), np.zeros((9, 2))), "k must be 1 to 2"),
        (lambda: density_coverage(LINE, LINE, k=-1), "k must be 1 to 3"),
        (lambda: density_coverage(LINE, LINE, k=1.5), "whole number"),
        (lambda: density_coverage(np.full((9, 2), np.nan), np.zeros((9, 2))), "finite"),
        (lambda: memorised_share(LINE, LINE, LINE, quantile=2), "quantile must be 0 to 1"),
        (lambda: memorised_share(LINE, LINE[:0], LINE), "held-out features"),
        (lambda: reverse_kl([1.0, 0.0], [0.5, 0.5]), "real ones above 0"),
        (lambda: reverse_kl([0.5, 0.5], [1.0]), "one share a class"),
        (lambda: reverse_kl([0.5, 0.5], [0.6, 0.6, -0.2]), "shares must be numbers from 0"),
        (lambda: matched_accuracy([0, 50_000], [0, 1]), "0 to 999"),
        (lambda: matched_accuracy(np.zeros(0, int), np.zeros(0, int)), "Nothing to match"),
    ],
)
def test_impossible_features_are_refused(score, message):
    with pytest.raises(ValueError, match=message):
        score()


# --- scores on features: what each must notice ---------------------------------------------------


@pytest.fixture(scope="module")
def samples(parts, judge):
    """Halves of the real pictures in the 16 strongest whitened features, and cheats."""
    from sklearn.decomposition import PCA

    learned = parts[0]
    whiten = PCA(16, whiten=True, random_state=0).fit(judge.features(learned.images))

    def embed(images):
        return whiten.transform(judge.features(images))

    half = len(learned) // 2
    first, second = embed(learned.images[:half]), embed(learned.images[half : 2 * half])
    no_seven = learned.images[half : 2 * half][learned.labels[half : 2 * half] != 7]
    one_a_class = [np.flatnonzero(learned.labels == c)[0] for c in range(10)]
    noise = np.random.default_rng(0).uniform(-1, 1, (half, 16, 16, 1))
    blurred = gaussian_filter(learned.scaled()[half : 2 * half], (0, 1.2, 1.2, 0))
    return {
        "train": first,
        "real": second,
        "held out": embed(parts[1].images),
        "copies": first.copy(),
        "no seven": embed(no_seven),
        "one a class": np.repeat(embed(learned.images[one_a_class]), half // 10, axis=0),
        "noise": embed(noise),
        "blurred": embed(blurred),
    }


def test_two_halves_of_real_data_are_at_the_floor(samples):
    x, y = samples["train"], samples["real"]
    floor = 2 * 16 / len(x) + 16 * 17 / (2 * len(x))
    assert frechet_distance(x, y) < 2.5 * floor
    mean, deviation = kernel_distance(x, y)
    assert abs(mean) < 2 * deviation
    assert density_coverage(x, y)[1] > 0.93
    assert two_sample_accuracy(x, y) == pytest.approx(0.5, abs=0.07)


def test_one_picture_a_class_has_no_coverage(samples):
    assert density_coverage(samples["real"], samples["one a class"])[1] < 0.1


def test_copies_of_training_pictures_fool_distances_but_not_the_memorisation_test(samples):
    x = samples["train"]
    assert frechet_distance(x, samples["copies"]) == pytest.approx(0, abs=1e-6)
    assert memorised_share(x, samples["held out"], samples["copies"]) == 1
    assert memorised_share(x, samples["held out"], samples["real"]) < 0.05


def test_a_missing_class_keeps_precision_and_loses_recall(samples):
    precision, recall = precision_recall(samples["train"], samples["no seven"])
    full_precision, full_recall = precision_recall(samples["train"], samples["real"])
    assert precision > full_precision - 0.03
    assert recall < full_recall - 0.03


def test_noise_has_no_precision(samples):
    assert precision_recall(samples["train"], samples["noise"])[0] < 0.02


def test_blur_raises_the_frechet_distance(samples):
    clear = frechet_distance(samples["train"], samples["real"])
    assert frechet_distance(samples["train"], samples["blurred"]) > 5 * clear


# --- boundaries, defaults and tensors ----------------------------------------------------------

LINE = np.array([[0.0], [1], [3], [6]])  # Each point's nearest neighbour: 1, 1, 2 and 3 away.


@pytest.mark.parametrize("k", [1, 2, 3])
def test_a_ball_reaches_to_the_kth_neighbour_and_holds_its_rim(k):
    """One generated point on the rim of the last real ball, and one just outside."""
    radius = 6 - LINE[3 - k, 0]
    rim, outside = np.array([[6 + radius]]), np.array([[6 + radius + 1e-6]])
    assert density_coverage(LINE, rim, k) == (1 / k, 0.25)
    assert density_coverage(LINE, outside, k) == (0, 0)
    many, far = np.repeat(rim, 4, axis=0), np.repeat(outside, 4, axis=0)
    assert precision_recall(LINE, many, k)[0] == 1
    assert precision_recall(LINE, far, k)[0] == 0
    assert precision_recall(many, LINE, k)[1] == 1  # A real point on a generated ball's rim.
    assert precision_recall(far, LINE, k)[1] == 0
    with pytest.raises(ValueError, match="k must be 1 to 3"):
        density_coverage(LINE, rim, 4)


def test_as_near_as_the_nearest_held_out_picture_is_memorised():
    train, held_out = np.array([[0.0]]), np.array([[1.0], [2], [3]])
    samples = np.array([[1.0], [-1], [0.5], [1 + 1e-9]])
    assert memorised_share(train, held_out, samples, quantile=0) == 0.75
    assert memorised_share(train, held_out, samples + 1, quantile=0.5) == 0.75


def test_few_samples_of_many_features_warn_with_their_floor(rng):
    x, y = rng.normal(size=(2, 30, 40))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        frechet_distance(x[:, :30], y[:, :30])
    with pytest.warns(UserWarning, match="30 samples of 40 features") as caught:
        distance = frechet_distance(x, y)
    floor = float(str(caught[0].message).split("about ")[1].split(" apart")[0])
    assert floor == pytest.approx(2 * 40 / 30 + 40 * 41 / 60, rel=0.01)
    assert 0.5 * floor < distance < 2 * floor


def test_blocks_change_no_score(rng, monkeypatch):
    x, y, z = rng.normal(size=(3, 57, 4))
    x[3] = z[5]

    def scores():
        return (
            precision_recall(x, y),
            density_coverage(x, y),
            two_sample_accuracy(x, z),
            memorised_share(x, y, z, 0.1),
        )

    whole = scores()
    for block in (1, 57 * 10, 57 * 56):
        monkeypatch.setattr(features, "BLOCK", block)
        assert scores() == whole


DEFAULTS = [
    (precision_recall, {"k": 3}, {"k": 4}),
    (density_coverage, {"k": 5}, {"k": 6}),
    (kernel_distance, {"subsets": 50, "subset_size": 200, "seed": 0}, {"subsets": 51}),
    (kernel_distance, {}, {"subset_size": 201}),
    (kernel_distance, {}, {"seed": 1}),
]


@pytest.mark.parametrize(("score", "defaults", "other"), DEFAULTS)
def test_scores_are_comparable_because_their_defaults_stay(score, defaults, other, rng):
    x, y = rng.normal(size=(2, 300, 2))
    assert score(x, y) == score(x, y, **defaults) != score(x, y, **other)


def test_one_in_a_hundred_held_out_pictures_counts_as_too_near(rng):
    x, y, z = rng.normal(size=(3, 1000, 2))
    assert memorised_share(x, y, z) == memorised_share(x, y, z, 0.01)
    assert memorised_share(x, y, z) < memorised_share(x, y, z, 0.03)


def test_the_deviation_of_the_kernel_distance_is_that_of_one_subset(rng):
    x, y = rng.normal(size=(2, 8, 2))
    whole = [kernel_distance(x, y, 1, 4, seed)[0] for seed in range(3)]
    assert kernel_distance(x, y, 1, 4, 0) == (whole[0], 0)
    mean, deviation = kernel_distance(x, y, 2, 4, 0)
    second = 2 * mean - whole[0]
    assert deviation == pytest.approx(abs(second - whole[0]) / 2)


def test_the_kernel_distance_by_hand():
    """Two points of each kind, so that each mean has one or four terms."""
    x, y = np.array([[1.0, 0], [0, 1]]), np.array([[1.0, 1], [2, 0]])
    within = (0 / 2 + 1) ** 3 + (2 / 2 + 1) ** 3
    between = sum((product / 2 + 1) ** 3 for product in (1, 2, 1, 0)) / 4
    expected = within - 2 * between
    assert kernel_distance(x, y, 1, 2)[0] == pytest.approx(expected)


@pytest.mark.parametrize("convert", [torch.tensor, tf.constant])
def test_features_may_be_tensors(convert, rng):
    x, y = rng.normal(size=(2, 300, 4)).astype(np.float32)
    for score in (
        frechet_distance,
        kernel_distance,
        precision_recall,
        density_coverage,
        two_sample_accuracy,
    ):
        assert score(convert(x), convert(y)) == score(x, y)
    assert memorised_share(convert(x), convert(y), convert(x)) == 1
