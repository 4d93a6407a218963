"""The classifier, and what a score of classes must notice before the course trusts it."""

import warnings

import numpy as np
import pytest
import tensorflow as tf
import torch
from digit_judge import digit_judge, digit_parts
from scipy.ndimage import gaussian_filter

from course_utils import (
    ImageSet,
    PictureClassifier,
    class_alignment,
    class_variance_ratios,
    matched_accuracy,
    one_hot,
    reverse_kl,
)


@pytest.fixture(scope="module")
def parts():
    return digit_parts()


@pytest.fixture(scope="module")
def judge():
    return digit_judge()


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
    again = PictureClassifier(parts[0]).probabilities(images)
    assert np.array_equal(again, judge.probabilities(images))
    assert not np.array_equal(PictureClassifier(parts[0], seed=1).probabilities(images), again)


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
    judge = PictureClassifier(coloured)
    assert judge.accuracy(coloured) == 1
    assert judge.class_shares(images).shape == (3,)


def test_a_class_without_pictures_keeps_its_place(capsys):
    """Labels 0 and 2 of three classes: the second answer is never given."""
    images = np.zeros((60, 8, 8, 1), np.uint8)
    labels = np.arange(60) % 2 * 2
    images[labels == 2] = 200
    image_set = ImageSet("gap", images, labels, ("dark", "never", "bright"))
    judge = PictureClassifier(image_set)
    assert "No picture of never:" in capsys.readouterr().out
    assert judge.accuracy(image_set) == 1
    assert judge.probabilities(images).shape == (60, 3)
    assert judge.class_shares(images).tolist() == [0.5, 0, 0.5]
    with pytest.raises(ValueError, match="at least two classes"):
        PictureClassifier(ImageSet("one", images, np.zeros(60, int), ("a", "b")))


def test_features_are_the_hidden_layer_that_the_probabilities_come_from(parts, judge):
    features = judge.features(parts[1].images)
    assert features.shape == (len(parts[1]), 128)
    assert features.min() == 0
    logits = features @ judge._network.coefs_[1] + judge._network.intercepts_[1]
    probabilities = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    np.testing.assert_allclose(probabilities, judge.probabilities(parts[1].images), atol=1e-6)


def test_a_large_data_set_is_learned_in_fewer_rounds_and_without_a_warning(monkeypatch, parts):
    monkeypatch.setattr("course_utils.metrics.classifier.PICTURES_SEEN", 3 * len(parts[0]))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        judge = PictureClassifier(parts[0])
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


# --- exact values and boundaries -----------------------------------------------------------------


def test_a_variance_is_the_unbiased_one():
    """Two real pictures and four generated ones: with n instead of n - 1 the ratio is another."""
    real, generated = np.array([[0.0, 1], [2, 1]]), np.array([[0.0, 0], [0, 4], [4, 0], [4, 4]])
    (ratio,) = class_variance_ratios(real, [0, 0], generated, [0] * 4)
    assert ratio == pytest.approx((16 / 3 + 16 / 3) / 2)


def test_confident_is_above_the_threshold_and_the_threshold_nine_tenths(judge, real):
    best = judge.probabilities(real.images).max(1)
    middle = np.sort(best)[len(best) // 2]
    assert judge.confident_share(real.images, middle) == (best > middle).mean()
    assert judge.confident_share(real.images, middle) < (best >= middle).mean()
    assert judge.confident_share(real.images) == (best > 0.9).mean()


def test_the_judge_learned_300_000_pictures_and_each_at_most_200_times(parts, monkeypatch):
    rounds = []

    class Network:
        def __init__(self, layers, max_iter, random_state):
            rounds.append((layers, max_iter, random_state))

        def fit(self, pixels, labels):
            assert (pixels.min(), pixels.max()) == (-1, 1)

    monkeypatch.setattr("sklearn.neural_network.MLPClassifier", Network)
    PictureClassifier(parts[0])
    monkeypatch.setattr(ImageSet, "__len__", lambda _: 60_001)
    PictureClassifier(parts[0])
    assert rounds == [((128,), 200, 0), ((128,), 5, 0)]


@pytest.mark.parametrize("convert", [torch.tensor, tf.constant])
def test_class_scores_take_tensors_as_they_take_arrays(convert):
    rng = np.random.default_rng(0)
    features, labels = rng.normal(size=(40, 3)), np.arange(40) % 4
    other, shares = rng.normal(size=(40, 3)), np.array([0.5, 0.25, 0.25])
    for score, arrays in (
        (class_variance_ratios, (features, labels, other, labels)),
        (matched_accuracy, (labels[::-1].copy(), labels)),
        (reverse_kl, (shares, shares[::-1].copy())),
    ):
        expected, found = score(*arrays), score(*map(convert, arrays))
        np.testing.assert_equal(found, expected)
