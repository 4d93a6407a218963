"""Scores that ask who is whose neighbour among features."""

import numpy as np

from .features import feature_pair


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
    """
    real, generated = feature_pair(real, generated)
    distances = _distances(real, generated)
    precision = (distances <= _radii(real, k)[:, None]).any(axis=0).mean()
    recall = (distances <= _radii(generated, k)[None, :]).any(axis=1).mean()
    return float(precision), float(recall)


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
    """
    real, generated = feature_pair(real, generated)
    inside = _distances(real, generated) <= _radii(real, k)[:, None]
    return float(inside.sum(axis=0).mean() / k), float(inside.any(axis=1).mean())


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
    distances = _distances(features, features)
    np.fill_diagonal(distances, np.inf)
    kinds = np.arange(len(features)) < len(real)
    return float((kinds[distances.argmin(axis=1)] == kinds).mean())


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
    train, held_out = feature_pair(train, held_out)
    _, generated = feature_pair(train, generated)
    near = np.quantile(_distances(train, held_out).min(axis=0), quantile)
    return float((_distances(train, generated).min(axis=0) <= near).mean())


def _distances(x, y):
    from scipy.spatial.distance import cdist

    return cdist(x, y)


def _radii(features, k):
    if k >= len(features):
        raise ValueError(f"k is {k}, but there are only {len(features)} features.")
    return np.sort(_distances(features, features), axis=1)[:, k]
