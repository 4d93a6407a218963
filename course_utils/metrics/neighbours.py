"""Scores that ask who is whose neighbour among features."""

import numpy as np

from ..refusals import check_number
from .features import check_features, check_subset, distance_blocks, feature_pair


def precision_recall(real, generated, k=3):
    """Precision and recall by balls around features (Kynkaanniemi et al. 2019).

    A ball around each feature reaches to its k-th neighbour of the same kind. Precision is the
    share of generated features inside a real ball, recall the share of real ones inside a
    generated ball.

    Parameters
    ----------
    real, generated : array of shape (N, d) and (M, d)
        Features; compare only scores with equal N and M.
    k : int, optional
        Which neighbour the radius reaches to.

    Returns
    -------
    precision, recall : float
        Between 0 and 1.

    Raises
    ------
    ValueError
        If the features do not fit, are not finite, or ``k`` is not below N.
    """
    real, generated = feature_pair(real, generated, least=1)
    real_radii, generated_radii = _radii(real, k), _radii(generated, k)
    precise, recalled = np.zeros(len(generated), bool), np.zeros(len(real), bool)
    for rows, distances in distance_blocks(real, generated):
        precise |= (distances <= real_radii[rows, None]).any(axis=0)
        recalled[rows] = (distances <= generated_radii).any(axis=1)
    return float(precise.mean()), float(recalled.mean())


def density_coverage(real, generated, k=5):
    """Density and coverage (Naeem et al. 2020): balls around real features only.

    Density is the number of real balls that a generated feature lies in, divided by k; coverage is
    the share of real balls with a generated feature inside. An outlier among the generated
    features changes neither by much. Two samples of one distribution, each of N, have a coverage of
    1 - (N-1)...(N-k) / (2N-1)...(2N-k), which is .969 for k = 5 and large N.

    Parameters
    ----------
    real, generated : array of shape (N, d) and (M, d)
        Features.
    k : int, optional
        Which neighbour the radius reaches to.

    Returns
    -------
    density, coverage : float
        Density is at least 0 and can be above 1; coverage is between 0 and 1.

    Raises
    ------
    ValueError
        If the features do not fit, are not finite, or ``k`` is not below N.
    """
    real, generated = feature_pair(real, generated, least=1)
    radii = _radii(real, k)
    balls, covered = np.zeros(len(generated), int), np.zeros(len(real), bool)
    for rows, distances in distance_blocks(real, generated):
        inside = distances <= radii[rows, None]
        balls += inside.sum(axis=0)
        covered[rows] = inside.any(axis=1)
    return float(balls.mean() / k), float(covered.mean())


def two_sample_accuracy(real, generated):
    """Leave-one-out accuracy of a 1-nearest-neighbour classifier of real against generated.

    One half: it cannot tell them apart. 1: it can. 0: each picture has a copy of the other kind
    (Lopez-Paz and Oquab 2017; Xu et al. 2018).

    Parameters
    ----------
    real, generated : array of shape (N, d)
        Features, equally many of each: otherwise the larger kind wins by its number.

    Returns
    -------
    float
        Between 0 and 1.
    """
    real, generated = feature_pair(real, generated)
    if len(real) != len(generated):
        raise ValueError(f"Give equally many of each, not {len(real)} and {len(generated)}.")
    features = np.concatenate([real, generated])
    nearest = np.zeros(len(features), int)
    for rows, distances in distance_blocks(features, features):
        itself = np.arange(len(features))[rows]
        distances[np.arange(len(itself)), itself] = np.inf
        nearest[rows] = distances.argmin(axis=1)
    kinds = np.arange(len(features)) < len(real)
    return float((kinds[nearest] == kinds).mean())


def memorised_share(train, held_out, generated, quantile=0.01):
    """Share of generated features that are nearer to a training one than real pictures get.

    Held-out real pictures give the scale: only a `quantile` of them lies as near to its nearest
    training picture. So the floor is `quantile`, and copies of training pictures score 1.

    Parameters
    ----------
    train, held_out, generated : array of shape (N, d), (M, d), (L, d)
        Features of the training pictures, of real ones that were not trained on, and of samples.
    quantile : float, optional
        Share of the held-out pictures that counts as too near.

    Returns
    -------
    float
        Between 0 and 1.
    """
    train = check_features("training", train)
    held_out = check_features("held-out", held_out, train)
    generated = check_features("generated", generated, train)
    check_number("quantile", quantile, 0, 1)
    near = np.quantile(_nearest(held_out, train), quantile)
    return float((_nearest(generated, train) <= near).mean())


def _nearest(features, others):
    return np.concatenate([block.min(axis=1) for _, block in distance_blocks(features, others)])


def _radii(features, k):
    """Return each feature's distance to its k-th neighbour; its own 0 comes first."""
    check_subset("k", k, 1, len(features) - 1)
    blocks = distance_blocks(features, features)
    # Copies: a view of one column would keep its whole block in memory.
    radii = [np.partition(block, k, axis=1)[:, k].copy() for _, block in blocks]
    return np.concatenate(radii)
