"""The classifier, and what every score must notice before the course trusts it."""

import warnings

import numpy as np
import pytest
import tensorflow as tf
import torch
from scipy.ndimage import gaussian_filter

from course_utils import (
    DigitClassifier,
    ImageSet,
    class_alignment,
    class_variance_ratios,
    density_coverage,
    frechet_distance,
    kernel_distance,
    load_images,
    matched_accuracy,
    memorised_share,
    one_hot,
    precision_recall,
    reverse_kl,
    two_sample_accuracy,
)

# --- DigitClassifier -----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def parts():
    return load_images("digits", size=16).split()


@pytest.fixture(scope="module")
def judge(parts):
    return DigitClassifier(parts[0])


def test_the_classifier_knows_digits_it_has_not_seen(parts, judge):
    assert judge.accuracy(parts[1]) > 0.95


def test_the_classifier_gives_probabilities_in_any_layout(parts, judge):
    images = parts[1].scaled()[:50]
    probabilities = judge.probabilities(images)
    assert probabilities.shape == (50, 10)
    np.testing.assert_allclose(probabilities.sum(1), 1, atol=1e-6)
    channels_first = torch.from_numpy(images.transpose(0, 3, 1, 2))
    np.testing.assert_array_equal(judge.probabilities(channels_first), probabilities)
    shares = judge.class_shares(images)
    assert shares.sum() == pytest.approx(1)
    assert np.array_equal(shares, np.bincount(probabilities.argmax(1), minlength=10) / 50)
    assert judge.confident_share(images, 0.0) == 1
    assert judge.confident_share(images, 0.5) >= judge.confident_share(images, 0.99)


def test_the_classifier_is_the_same_in_each_run(parts, judge):
    images = parts[1].scaled()[:50]
    again = DigitClassifier(parts[0]).probabilities(images)
    assert np.array_equal(again, judge.probabilities(images))
    assert not np.array_equal(DigitClassifier(parts[0], seed=1).probabilities(images), again)


def test_one_class_repeated_fills_one_share(parts, judge):
    eights = parts[0].images[parts[0].labels == 8]
    assert judge.class_shares(eights)[8] > 0.98


def test_noise_is_not_judged_with_confidence(judge):
    noise = np.random.default_rng(0).uniform(-1, 1, (200, 16, 16, 1))
    assert judge.confident_share(noise) < 0.7


def test_other_sizes_are_refused(judge):
    with pytest.raises(ValueError, match=r"trained on pictures of shape \(16, 16, 1\)"):
        judge.probabilities(np.zeros((2, 28, 28, 1)))


def test_colour_pictures_and_any_number_of_classes_are_judged():
    rng = np.random.default_rng(0)
    images = rng.integers(0, 80, (60, 8, 8, 3), dtype=np.uint8)
    labels = np.arange(60) % 3
    images[np.arange(60), :, :, labels] += 150
    coloured = ImageSet("colours", images, labels, ("red", "green", "blue"))
    judge = DigitClassifier(coloured)
    assert judge.accuracy(coloured) == 1
    assert judge.class_shares(images).shape == (3,)


def test_features_are_the_hidden_layer_that_the_probabilities_come_from(parts, judge):
    features = judge.features(parts[1].images)
    assert features.shape == (len(parts[1]), 128)
    assert features.min() == 0
    logits = features @ judge._network.coefs_[1] + judge._network.intercepts_[1]
    probabilities = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    np.testing.assert_allclose(probabilities, judge.probabilities(parts[1].images), atol=1e-6)


def test_a_large_data_set_is_learned_in_fewer_rounds_and_without_a_warning(monkeypatch, parts):
    monkeypatch.setattr("course_utils.metrics.PICTURES_SEEN", 3 * len(parts[0]))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        judge = DigitClassifier(parts[0])
    assert judge._network.n_iter_ == 3


# --- alignment and variance: the acceptance tests of a conditional score -------------------------


@pytest.fixture(scope="module")
def real(parts):
    return parts[1]


def variance_ratios(judge, parts, images, labels):
    learned = parts[0]
    return class_variance_ratios(
        judge.features(learned.images), learned.labels, judge.features(images), labels
    )


def test_real_pictures_are_aligned_and_as_varied_as_real_ones(judge, parts, real):
    assert class_alignment(judge, real.images, real.labels) == judge.accuracy(real)
    ratios = variance_ratios(judge, parts, real.images, real.labels)
    assert ratios.shape == (10,)
    assert ratios.min() > 0.7 and ratios.max() < 1.3


def test_shifted_labels_collapse_the_alignment(judge, real):
    assert class_alignment(judge, real.images, (real.labels + 1) % 10) < 0.05


def test_one_picture_a_class_is_aligned_but_has_no_variance(judge, parts):
    learned = parts[0]
    first = [np.flatnonzero(learned.labels == c)[0] for c in range(10)]
    images, labels = np.repeat(learned.images[first], 30, axis=0), np.repeat(np.arange(10), 30)
    assert class_alignment(judge, images, labels) > 0.95
    assert variance_ratios(judge, parts, images, labels).max() < 1e-12


def test_a_collapsed_class_is_named_by_its_own_ratio(judge, parts, real):
    images = real.images.copy()
    sevens = real.labels == 7
    images[sevens] = images[sevens][0]
    ratios = variance_ratios(judge, parts, images, real.labels)
    assert ratios[7] < 1e-12
    assert np.delete(ratios, 7).min() > 0.7


def test_blur_hardly_changes_the_alignment(judge, real):
    blurred = gaussian_filter(real.scaled(), (0, 0.7, 0.7, 0))
    change = class_alignment(judge, blurred, real.labels) - judge.accuracy(real)
    assert abs(change) < 0.03


def test_noise_is_aligned_by_chance_only(judge):
    noise = np.random.default_rng(0).uniform(-1, 1, (1000, 16, 16, 1))
    assert class_alignment(judge, noise, np.arange(1000) % 10) < 0.15


def test_the_variance_of_a_class_scales_with_the_square(real):
    rng = np.random.default_rng(1)
    features, labels = rng.normal(size=(400, 5)), rng.integers(0, 4, 400)
    means = rng.normal(size=(4, 5))[labels] * 10
    ratios = class_variance_ratios(features + means, labels, 3 * features - means, labels)
    np.testing.assert_allclose(ratios, 9)


@pytest.mark.parametrize("convert", [np.asarray, torch.tensor, tf.constant])
def test_samples_and_labels_of_any_framework_are_scored(judge, real, convert):
    samples, labels = convert(real.scaled()[:64]), convert(real.labels[:64])
    expected = class_alignment(judge, real.images[:64], real.labels[:64])
    assert class_alignment(judge, samples, labels) == expected


# --- codes found without labels ------------------------------------------------------------------


def test_renamed_codes_are_matched_back(real):
    new_name = np.random.default_rng(2).permutation(10)
    accuracy, label_of_code = matched_accuracy(new_name[real.labels], real.labels)
    assert accuracy == 1
    assert np.array_equal(label_of_code[new_name], np.arange(10))


def test_no_label_is_given_twice():
    # By majority both codes would be called 0 and six of eight be right.
    codes, labels = np.array([0, 0, 0, 0, 1, 1, 1, 1]), np.array([0, 0, 0, 0, 0, 0, 1, 1])
    accuracy, label_of_code = matched_accuracy(codes, labels)
    assert accuracy == 6 / 8
    assert sorted(label_of_code) == [0, 1]
    one_code, _ = matched_accuracy(np.zeros(8, int), labels)
    assert one_code == 6 / 8


def test_random_codes_score_near_chance():
    rng = np.random.default_rng(3)
    accuracy, _ = matched_accuracy(rng.integers(0, 10, 20_000), rng.integers(0, 10, 20_000))
    assert 0.1 <= accuracy < 0.12


def test_more_codes_than_labels_leave_codes_without_a_class():
    accuracy, label_of_code = matched_accuracy([0, 1, 2, 3], [0, 0, 1, 1])
    assert accuracy == 0.5
    assert len(label_of_code) == 4


# --- bad labels ----------------------------------------------------------------------------------


def test_one_hot_vectors_have_their_one_at_the_label():
    vectors = one_hot([2, 0], 3)
    assert vectors.dtype == np.float32
    assert np.array_equal(vectors, [[0, 0, 1], [1, 0, 0]])


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ([0, 10], r"0 to 9, because there are 10 classes, but got 10"),
        ([-1, 3], r"0 to 9, because there are 10 classes, but got -1"),
        ([0.0, 1.0], r"whole numbers of shape \(N,\), but got float64 of shape \(2,\)"),
        ([[0], [1]], r"but got int64 of shape \(2, 1\)"),
    ],
)
def test_bad_labels_get_one_clear_error(judge, real, labels, message):
    images, features = real.images[:2], np.zeros((2, 3))
    for score in (
        lambda: one_hot(labels, 10),
        lambda: class_alignment(judge, images, np.asarray(labels)),
        lambda: class_variance_ratios(np.zeros((20, 3)), np.arange(20) % 10, features, labels),
    ):
        with pytest.raises(ValueError, match=message):
            score()


def test_labels_of_the_wrong_length_are_refused(judge, real):
    with pytest.raises(ValueError, match="one label for each of 5 pictures, but got 4"):
        class_alignment(judge, real.images[:5], real.labels[:4])
    with pytest.raises(ValueError, match="one label for each of 5 pictures, but got 4"):
        matched_accuracy([0, 1, 2, 3], [0, 1, 2, 3, 4])
    with pytest.raises(ValueError, match="class 1 of the generated pictures has 1"):
        class_variance_ratios(np.zeros((4, 2)), [0, 0, 1, 1], np.zeros((3, 2)), [0, 0, 1])


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
    assert reverse_kl(without, shares) == pytest.approx(np.log(10 / 9))
    assert reverse_kl(shares, shares) == 0
    drawn = np.mean([reverse_kl(rng.multinomial(500, shares) / 500, shares) for _ in range(400)])
    assert drawn == pytest.approx(9 / 1000, rel=0.1)


@pytest.mark.parametrize(
    ("score", "message"),
    [
        (lambda: frechet_distance(np.zeros((5, 2)), np.zeros((5, 3))), r"\(5, 2\) and \(5, 3\)"),
        (lambda: two_sample_accuracy(np.zeros((5, 2)), np.zeros((4, 2))), "not 5 and 4"),
        (lambda: kernel_distance(np.zeros((50, 2)), np.zeros((60, 2))), "only 50 features"),
        (lambda: precision_recall(np.zeros((3, 2)), np.zeros((9, 2))), "k is 3, but there are"),
        (lambda: density_coverage(np.full((9, 2), np.nan), np.zeros((9, 2))), "finite"),
        (lambda: reverse_kl([0.5, 0.5], [1.0, 0.0]), "p above 0"),
        (lambda: reverse_kl([1.0], [0.5, 0.5]), "equal length"),
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
