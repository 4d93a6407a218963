"""Instruments for a gradient penalty on blends of real and generated pictures (WGAN-GP)."""

import numpy as np

from .report import NotApplicable, instrument

SLOPES = (1.0, 2.0, 3.0)
# Of P(1) - P(2) to P(3) - P(2): of w (s - 1)^2, as in Gulrajani et al. 2017, and of w s^2.
RATIOS = {"w (norm - 1)^2": -1 / 3, "w norm^2": -3 / 5}
OFF_THE_LINE = 0.05  # Of the distance from fake to real; float32 rounds to a millionth.


def blend_call(case):
    """Return the first call of D with blends of real and generated pictures."""
    case.needs_a_step()
    if not any((kinds == "blend").all() for kinds in case.kinds):
        raise NotApplicable("D sees no blends of real and generated pictures.")
    return case.call_of_kind("blend")


@instrument("blends", "each lies between its real and its generated picture: a share from 0 to 1")
def blend_shares(case):
    """Compute the share of the real picture in each blend.

    A blend is e x_real + (1 - e) x_fake with one e of 0 to 1 for each picture (Gulrajani et al.
    2017, algorithm 1). A share from a normal distribution lies outside for two pictures of three,
    and a share for each pixel leaves the line.
    """
    call = blend_call(case)
    mixed = _rows(call)
    ends = [_rows(case.call_of_kind(kind)) for kind in ("real", "fake")]
    real, fake = ends
    if real.shape != mixed.shape or fake.shape != mixed.shape:
        raise NotApplicable("Blends, real and generated pictures differ in number or shape.")
    way = real - fake
    length = np.maximum((way**2).sum(1), 1e-12)
    shares = ((mixed - fake) * way).sum(1) / length
    aside = np.sqrt(((mixed - fake - shares[:, None] * way) ** 2).sum(1) / length).max()
    text = f"shares {shares.min():.2f} to {shares.max():.2f}, {aside:.2g} aside of the line"
    outside = bool(shares.min() < -1e-3 or shares.max() > 1 + 1e-3)
    if aside > OFF_THE_LINE:
        advice = "Draw one share for each picture, of shape (B, 1, 1, 1)."
        return True, aside, text, advice
    return outside, shares.max(), text, "Draw the share from U(0, 1), not from a normal."


def _rows(call):
    return call.inputs[0].reshape(len(call.inputs[0]), -1).astype(float)


@instrument(
    "gradient penalty", "a square of the norm or of its distance from 1, and D learns from it"
)
def gradient_penalty(case):
    """Put a D of known slope before the penalty, and look what it costs.

    For blends D answers s times the sum of the pixels over the root of their number. The norm of
    that gradient is s, for each picture. So slopes of 1, 2 and 3 must cost w (s - 1)^2: 0, w, 4 w.
    Then D's own answers to blends are doubled: that must change the gradient by which D learns.
    """
    blend_call(case)
    costs = [_cost(case, slope) for slope in SLOPES]
    ratio = (costs[0] - costs[1]) / ((costs[2] - costs[1]) or np.nan)
    costs_text = ", ".join(f"{cost - costs[0]:.3g}" for cost in costs)
    text = f"slopes of 1, 2 and 3 cost {costs_text} more than slope 1"
    fits = [name for name, known in RATIOS.items() if abs(ratio - known) < 0.02]
    if not fits or costs[2] < costs[1]:
        advice = "Take the norm over all pixels of a picture: flatten first, axis 1 after."
        return True, costs[2] - costs[0], text, advice
    weight = (costs[2] - costs[0]) / (4 if fits[0] == "w (norm - 1)^2" else 8)
    text = f"{fits[0]} with w = {weight:.3g}; {text}"
    if not _learned(case):
        advice = "D's gradient ignores the penalty: create_graph=True, or a tape around the tape."
        return True, weight, text, advice
    return False, weight, text, ""


def _cost(case, slope):
    """Return D's loss if its answers to blends have this slope, and are 0 to all else."""

    def answer(call, live, score, own, blend):
        if own.size != len(own):
            raise NotApplicable("D gives several scores for each picture.")
        if not blend:
            return score + case.patient.tensor(-own)
        sums = case.patient.row_sums(live[0]) * (slope / np.sqrt(np.prod(live[0].shape[1:])))
        return 0 * score + case.patient.like(sums, score)

    return case.losses_of(_answered(case, answer))["D"]


def _learned(case):
    """Return whether D's gradient changes if its answers to blends are doubled."""

    def gradient(run):
        update = next(update for update in run.updates if update.holds("D"))
        return np.concatenate([g.ravel() for g in update.gradients.values() if g is not None])

    doubled = _answered(case, lambda *given: 2 * given[2] if given[-1] else given[2])
    plain, doubled = gradient(case.base), gradient(doubled)
    return bool(np.abs(doubled - plain).max() > 1e-6 * np.abs(plain).max())


def _answered(case, answer):
    """Take a round in which D answers ``answer(call, live, score, own, blend)``."""
    kinds = iter(case.kinds)

    def alter(call, live, outputs):
        if call.player == "D":
            blend = bool((next(kinds) == "blend").all())
            given = call, live, outputs[case.score], call.outputs[case.score], blend
            outputs[case.score] = answer(*given)
        return outputs

    run = case.still(alter=alter)
    if isinstance(run.error, NotApplicable):
        raise run.error
    return run
