"""Distances between the distributions of two sets of features."""

import warnings

import numpy as np

from ..refusals import check_seed, check_whole
from .features import check_subset, feature_pair


def frechet_distance(real, generated):
    """Squared Wasserstein-2 distance of two Gaussians fitted to features (Heusel et al. 2017).

    |m - m'|^2 + tr(S + S' - 2 (S S')^(1/2)). Between two finite samples of one distribution it is
    not 0: for unit Gaussian features in d dimensions about 2d/N + d(d+1)/(2N). State it beside the
    distance of real to real pictures of the same N.

    Parameters
    ----------
    real, generated : array of shape (N, d) and (M, d)
        Features; N and M should be well above d.

    Returns
    -------
    float
        At least 0, in squared units of the features.

    Raises
    ------
    ValueError
        If the features do not fit, are fewer than two or not finite.

    Warns
    -----
    UserWarning
        If N or M is below d, where the floor is larger than most distances.
    """
    real, generated = feature_pair(real, generated)
    fewest, d = min(len(real), len(generated)), real.shape[1]
    if fewest < d:
        warnings.warn(
            f"{fewest} samples of {d} features: two such samples of one unit Gaussian are already "
            f"about {2 * d / fewest + d * (d + 1) / (2 * fewest):.3g} apart. Take more samples.",
            stacklevel=2,
        )
    mean_gap = real.mean(0) - generated.mean(0)
    covariances = [np.atleast_2d(np.cov(x, rowvar=False)) for x in (real, generated)]
    # The eigenvalues of S S' are those of the symmetric S^(1/2) S' S^(1/2), which are real.
    values, vectors = np.linalg.eigh(covariances[0])
    root = vectors * np.sqrt(np.maximum(values, 0)) @ vectors.T
    product = np.linalg.eigvalsh(root @ covariances[1] @ root)
    traces = sum(np.trace(covariance) for covariance in covariances)
    return float(max(mean_gap @ mean_gap + traces - 2 * np.sqrt(np.maximum(product, 0)).sum(), 0))


def kernel_distance(real, generated, subsets=50, subset_size=200, seed=0):
    """Maximum mean discrepancy with the kernel (x . y / d + 1)^3 (Binkowski et al. 2018).

    Unbiased: for two samples of one distribution it is 0 on average, for any N, and can be
    slightly negative.

    Parameters
    ----------
    real, generated : array of shape (N, d) and (M, d)
        Features.
    subsets, subset_size : int, optional
        It is the mean over random subsets of this size.
    seed : int, optional
        Decides the subsets.

    Returns
    -------
    mean, deviation : float
        Mean over the subsets, and the standard deviation of one subset's value.

    Raises
    ------
    ValueError
        If the features do not fit, are not finite, or are fewer than a subset.
    """
    from sklearn.metrics.pairwise import polynomial_kernel

    real, generated = feature_pair(real, generated)
    check_subset("subset_size", subset_size, 2, min(len(real), len(generated)))
    check_whole("subsets", subsets, 1, 10**6)
    check_seed(seed)
    rng = np.random.default_rng(seed)
    values = []
    for _ in range(subsets):
        x, y = (
            features[rng.choice(len(features), subset_size, replace=False)]
            for features in (real, generated)
        )
        # With its own gamma, 1/d, and constant, 1, it is the kernel of the paper.
        within = sum(_off_diagonal_mean(polynomial_kernel(sample)) for sample in (x, y))
        values.append(within - 2 * polynomial_kernel(x, y).mean())
    return float(np.mean(values)), float(np.std(values))


def _off_diagonal_mean(matrix):
    count = len(matrix)
    return (matrix.sum() - np.trace(matrix)) / (count * (count - 1))
