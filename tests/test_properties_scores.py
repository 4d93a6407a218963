"""Scores and labels on inputs that nobody thought of: a right value, or a refusal by name."""

import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from property_inputs import attempt, features, wild_arrays, wild_scalars, wild_things

from course_utils import (
    ImageSet,
    PictureClassifier,
    class_alignment,
    class_variance_ratios,
    density_coverage,
    frechet_distance,
    kernel_distance,
    matched_accuracy,
    memorised_share,
    one_hot,
    precision_recall,
    reverse_kl,
    two_sample_accuracy,
)

COVERS = {
    "PictureClassifier",
    "class_alignment",
    "class_variance_ratios",
    "density_coverage",
    "frechet_distance",
    "kernel_distance",
    "matched_accuracy",
    "memorised_share",
    "one_hot",
    "precision_recall",
    "reverse_kl",
    "two_sample_accuracy",
}


@st.composite
def feature_sets(draw, count=2):
    """Return feature arrays of one width, or of any."""
    width = draw(st.integers(1, 4))
    widths = st.just(width) if draw(st.integers(0, 4)) else st.integers(1, 4)
    return [draw(features(widths)) for _ in range(count)]


def labels():
    whole = st.lists(st.integers(0, 3), max_size=12).map(lambda x: np.array(x, int))
    return st.one_of(whole, whole.map(lambda x: x.astype(np.uint8)), wild_arrays(), wild_things())


def is_share(value):
    return type(value) is float and 0 <= value <= 1


@given(feature_sets())
def test_frechet_distance(pair):
    def distance(*pair):
        import warnings

        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", ".*of one unit Gaussian.*", UserWarning)
            return frechet_distance(*pair)

    for value in attempt(distance, *pair):
        assert type(value) is float and math.isfinite(value) and value >= 0
        (other,) = attempt(distance, *pair[::-1])
        size = max(1e-300, *(float(np.abs(x).astype(float).max()) ** 2 for x in pair))
        assert abs(value - other) <= 1e-6 * size * pair[0].shape[1]  # It is symmetric.


@given(feature_sets(), wild_scalars(), wild_scalars(), wild_scalars())
def test_kernel_distance(pair, subsets, size, seed):
    for value in attempt(kernel_distance, *pair, subsets=3, subset_size=2):
        assert all(map(math.isfinite, value)) and value[1] >= 0
    pair = [np.ones((4, 2)), np.zeros((5, 2))]
    for value in attempt(kernel_distance, *pair, 3, size, seed):
        assert type(size) is not bool and seed is not None
        assert all(map(math.isfinite, value))
    few = subsets if not isinstance(subsets, int) or subsets < 50 else 50
    for value in attempt(kernel_distance, *pair, few, 2):
        assert abs(value[0] - (8 + 1 - 2)) < 1e-9  # The plain formula: (1 + 1)^3 + 1 - 2.


@given(feature_sets(), wild_scalars())
def test_balls_around_features(pair, k):
    for number in (1, k):
        for precision, recall in attempt(precision_recall, *pair, number):
            assert is_share(precision) and is_share(recall)
        for density, coverage in attempt(density_coverage, *pair, number):
            assert math.isfinite(density) and density >= 0 and is_share(coverage)


@given(feature_sets(3), wild_scalars())
def test_nearest_neighbours(sets, quantile):
    for value in attempt(two_sample_accuracy, *sets[:2]):
        assert is_share(value) and len(sets[0]) == len(sets[1])
    for share in (0.01, quantile):
        for value in attempt(memorised_share, *sets, share):
            assert is_share(value)


@given(labels(), wild_scalars())
def test_one_hot(labels, classes):
    for number in (4, classes):
        for value in attempt(one_hot, labels, number):
            assert value.dtype == np.float32 and value.shape == (len(labels), number)
            assert (value.sum(axis=1) == 1).all()
            assert (value.argmax(axis=1) == labels).all()


@given(labels(), labels())
def test_matched_accuracy(codes, labels):
    for accuracy, label_of_code in attempt(matched_accuracy, codes, labels):
        assert 0 < accuracy <= 1
        assert sorted(label_of_code) == list(range(len(label_of_code)))  # No label twice.
        assert accuracy == np.mean(label_of_code[codes] == labels)
    for accuracy, _ in attempt(matched_accuracy, labels, labels):
        assert accuracy == 1


@st.composite
def shares(draw):
    if draw(st.booleans()):
        return draw(wild_things())
    tiny = st.sampled_from([0, 5e-324, 1e-300, 1e-12, 0.1, 1.0])
    parts = np.array(draw(st.lists(tiny, min_size=1, max_size=4)))
    return parts / parts.sum() if parts.sum() > 1e-200 else parts


@given(shares(), shares())
def test_reverse_kl(real, generated):
    for value in attempt(reverse_kl, real, generated):
        assert type(value) is float and 0 <= value < np.inf
    for value in attempt(reverse_kl, real, real):
        assert value == 0


@given(feature_sets(), labels(), labels())
def test_class_variance_ratios(pair, real_labels, generated_labels):
    halves = [np.arange(len(x)) % 2 if np.ndim(x) else x for x in pair]
    for real, generated in (halves, (real_labels, generated_labels)):
        for ratios in attempt(class_variance_ratios, pair[0], real, pair[1], generated):
            assert np.isfinite(ratios).all() and ratios.min() >= 0
        for ratios in attempt(class_variance_ratios, pair[0], real, pair[0], real):
            assert (ratios == 1).all()


def pictures(shape=(12, 4, 4, 1)):
    rng = np.random.default_rng(0)
    return ImageSet(
        "noise", rng.integers(256, size=shape, dtype=np.uint8), np.arange(12) % 3, tuple("abc")
    )


@given(wild_things(), wild_scalars())
def test_a_classifier_is_made_of_an_image_set_and_a_seed(image_set, seed):
    assert not attempt(PictureClassifier, image_set)
    if type(seed) is not int and type(seed) is not np.int64:
        assert not attempt(PictureClassifier, pictures(), seed)


@given(wild_things(), labels(), wild_scalars())
def test_a_classifier_judges_pictures(samples, labels, threshold):
    good = pictures().images
    for batch in (samples, good):
        for value in attempt(JUDGE.probabilities, batch):
            assert value.shape == (len(batch), 3) and np.allclose(value.sum(axis=1), 1)
        for value in attempt(JUDGE.features, batch):
            assert value.shape == (len(batch), 128) and np.isfinite(value).all()
        for value in attempt(JUDGE.class_shares, batch):
            assert value.shape == (3,) and np.isclose(value.sum(), 1)
        for value in attempt(JUDGE.confident_share, batch, threshold):
            assert is_share(value)
        for value in attempt(class_alignment, JUDGE, batch, labels):
            assert is_share(value) and len(labels) == len(batch)
    for value in attempt(JUDGE.accuracy, samples):
        raise AssertionError(f"{samples!r} is no image set, but has an accuracy of {value}")
    assert not attempt(class_alignment, samples, good, np.zeros(12, int))


JUDGE = PictureClassifier(pictures())
