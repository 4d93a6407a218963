"""Formulas of known losses, fitted to what a step's loss says to known answers of D."""

from dataclasses import dataclass

import numpy as np

# D's answers. They lie on both sides of hinge's kinks at -1 and 1, and so that no formula comes
# nearer than 2 % to another one's values: -3, -0.5, 0, 0.5 and 3 would, a square to a logarithm.
ANSWERS = (-6.0, -2.0, 0.0, 0.5, 4.0)
PROBABILITIES = (0.1, 0.3, 0.5, 0.7, 0.9)  # For a loss that refuses other numbers.
RESIDUAL = (
    2e-3  # Of the loss's range: float32 rounds to a tenth of it, another loss misses tenfold.
)

WASSERSTEIN, HINGE, SQUARES = "Wasserstein", "hinge", "least squares"
LOGITS = "cross-entropy on logits"
PROBABILITY = "cross-entropy on probabilities"
TWO_SIGMOIDS = "cross-entropy on logits, of a sigmoid's output"


def softplus(s):
    """Return log(1 + exp(s)): what cross-entropy costs for a logit s and the target 0."""
    return np.logaddexp(0, s)


def sigmoid(s):
    """Return 1 / (1 + exp(-s))."""
    return 1 / (1 + np.exp(-s))


def logarithms(p):
    """Return log p and log(1 - p), clipped as Keras clips them."""
    p = np.clip(p, 1e-7, 1 - 1e-7)
    return np.log(p), np.log(1 - p)


# Each loss is a weighted sum of these terms, whatever its targets are.
TERMS = {
    WASSERSTEIN: lambda s: (s,),
    HINGE: lambda s: (np.maximum(0, 1 - s), np.maximum(0, 1 + s)),
    SQUARES: lambda s: (s**2, s),
    LOGITS: lambda s: (softplus(s), s),
    PROBABILITY: logarithms,
    TWO_SIGMOIDS: lambda s: (softplus(sigmoid(s)), sigmoid(s)),
}
# What each costs for D's answers 0, real and fake together, at weight 1 (facts of chapter 01).
AT_ZERO = {WASSERSTEIN: 0.0, HINGE: 2.0, LOGITS: 2 * np.log(2)}


@dataclass(frozen=True)
class Fit:
    """A loss as a function of one kind of D's answers.

    Attributes
    ----------
    family : str or None
        The formula; None if none fits.
    weight : float
        What it is multiplied by.
    target : float or None
        What D's answer is compared with: 1 for real in most programs. None for losses without.
    slope : int
        Whether the loss rises (1) or falls (-1) as the answer goes up from 0; 0 if neither.
    """

    family: str | None
    weight: float
    target: float | None
    slope: int

    def __str__(self):
        if self.family is None:
            return "an unknown formula" if self.slope else "nothing: the answers do not matter"
        target = "" if self.target is None else f" with target {self.target:.2f}"
        return f"{self.weight:.3g} x {self.family}{target}"


def fit(answers, values):
    """Find the formula that gives these losses for these answers of D.

    Parameters
    ----------
    answers, values : array_like
        Five numbers each: D's answer, the step's loss.

    Returns
    -------
    Fit
        The simplest formula that misses no value by more than 0.2 % of their range.
    """
    answers, values = np.asarray(answers, float), np.asarray(values, float)
    span = np.ptp(values)
    if not span > 1e-6 * max(1, np.abs(values).max()):
        return Fit(None, 0.0, None, 0)
    slope = int(np.sign(values[3] - values[2]))
    for family, terms in TERMS.items():
        columns = np.stack([*terms(answers), np.ones_like(answers)], axis=1)
        solved = np.linalg.lstsq(columns, values, rcond=None)[0]
        if np.abs(columns @ solved - values).max() <= RESIDUAL * span:
            return Fit(family, *_weight_and_target(family, solved), slope)
    return Fit(None, 0.0, None, slope)


def _weight_and_target(family, solved):
    one, other = solved[0], solved[1] if len(solved) > 2 else 0.0
    if family == WASSERSTEIN:
        return abs(one), None
    if family == HINGE:  # max(0, 1 - s) asks for s above 1, max(0, 1 + s) for s below -1.
        return one + other, (one - other) / (one + other) if abs(one + other) > 1e-9 else None
    if family == SQUARES:  # w (s - t)^2 = w s^2 - 2 w t s + ...
        return one, -other / (2 * one)
    if family == PROBABILITY:  # -w (t log p + (1 - t) log(1 - p))
        return -(one + other), one / (one + other) if abs(one + other) > 1e-9 else None
    return one, -other / one  # w (softplus(s) - t s)
