"""Instruments that ask the losses: D's answers are known, so is what they must cost."""

import functools

import numpy as np

from . import formulas
from .formulas import ANSWERS, AT_ZERO, HINGE, LOGITS, PROBABILITIES, PROBABILITY, WASSERSTEIN
from .report import NotApplicable, instrument

DRAWS = 4  # Random answers; by chance, four points hardly correlate at -0.9.
TARGET = 0.02  # Targets are fitted to three digits; nobody smooths by less than this.


class Table:
    """What both losses say when D's answers to one kind of picture change and the others are 0.

    Attributes
    ----------
    real, fake, g : Fit
        D's loss as a function of its answers to real and to generated pictures; G's loss as a
        function of D's answers to generated pictures.
    at_zero : float
        D's loss if it answers 0 to all; None if the loss takes probabilities alone.
    relativistic : bool
        Whether only the difference of D's answers matters.
    """

    def __init__(self, case):
        case.needs_a_step()
        self.answers = ANSWERS
        try:
            rows = self._measure(case)
        except (RuntimeError, ValueError):  # PyTorch's BCELoss refuses what is no probability.
            self.answers = PROBABILITIES
            rows = self._measure(case)
        real, fake = self.rows = rows
        self.at_zero = real[2]["D"] if self.answers is ANSWERS else None
        self.real = formulas.fit(self.answers, [losses["D"] for losses in real])
        self.fake = formulas.fit(self.answers, [losses["D"] for losses in fake])
        self.g = formulas.fit(self.answers, [losses["G"] for losses in fake])
        self.relativistic = self._is_relativistic(case)

    def _is_relativistic(self, case):
        """Return whether only differences of D's answers matter, as they do by definition."""
        known = AT_ZERO.get(self.real.family, 0) * self.real.weight
        if self.at_zero is None or self.at_zero > known - 1e-3:
            return False
        return abs(case.answered(4, 4)["D"] - self.at_zero) < 1e-3

    def _measure(self, case):
        middle = self.answers[2]
        real = [case.answered(answer, middle) for answer in self.answers]
        fake = [case.answered(middle, a) if a != middle else real[2] for a in self.answers]
        return real, fake


def table(case):
    """Return the case's table of losses, measured once."""
    if case.loss_table is None:
        if not any((kinds == "real").any() for kinds in case.kinds):
            raise NotApplicable("No picture that D sees depends on the real ones of the batch.")
        if not any((kinds == "fake").any() for kinds in case.kinds):
            raise NotApplicable("No picture that D sees depends on G.")
        case.loss_table = Table(case)
    return case.loss_table


@instrument(
    "loss at its known value",
    "a known loss, on the kind of number that D gives; targets 0 or 1, smoothed for real ones only",
)
def loss_value(case):
    """Answer in D's place, and look which formula the step's losses follow.

    D's answers are -6, -2, 0, 0.5 and 4, first to real, then to generated pictures. A loss on
    logits needs a D that gives logits, one on probabilities a D that ends in a sigmoid.
    """
    found = table(case)
    fits = {"real": found.real, "generated": found.fake, "generated (G's loss)": found.g}
    text = "; ".join(f"{kind}: {fit}" for kind, fit in fits.items())
    if found.at_zero is not None:
        text += f"; D answers 0 to all: d_loss {found.at_zero:.4f}"
        if (family := found.real.family) in AT_ZERO and not found.relativistic:
            text += f", the game's part {AT_ZERO[family] * found.real.weight:.4f}"
    if found.relativistic:
        text += "; only differences of D's answers matter (relativistic)"
    if found.real.family is None and found.fake.family is None:
        raise NotApplicable(f"Unknown loss. {text}")
    advice = _wrong_ending(found, case.bounded) or _wrong_targets(found)
    value = np.nan if found.at_zero is None else found.at_zero
    return bool(advice), value, text, advice


def _wrong_ending(found, bounded):
    families = {found.real.family, found.fake.family, found.g.family}
    if formulas.TWO_SIGMOIDS in families or (LOGITS in families and bounded):
        return "Two sigmoids: the loss has one of its own. Take the other one away."
    if PROBABILITY in families and bounded is False:
        return "The loss takes probabilities and D gives logits: from_logits=True."
    if families & {WASSERSTEIN, HINGE} and bounded:
        return "This loss needs a D without a sigmoid at its end."
    return ""


def _wrong_targets(found):
    real, fake = found.real.target, found.fake.target
    if None in (real, fake) or found.real.family in (HINGE, formulas.SQUARES):
        return ""
    if max(abs(real - 0.5), abs(fake - 0.5)) < TARGET:
        return ""  # What `labels_line_up` names.
    if any(not -TARGET < target < 1 + TARGET for target in (real, fake)):
        return "A target outside 0 to 1: no answer of D can reach it."
    if min(abs(fake), abs(fake - 1)) > TARGET:
        return "Generated pictures have a smoothed target. Smooth that of real ones alone."
    return ""


@instrument("players are opponents", "what raises D's loss on generated pictures lowers G's")
def opponents(case):
    """Let D's answer to a kind of picture go up from 0, and look which losses rise.

    D must want real and generated pictures apart, and G must want the contrary of what D wants
    for generated ones. Which of the two is called 1 does not matter.
    """
    found = table(case)
    real, fake, g = found.real.slope, found.fake.slope, found.g.slope
    words = {1: "rises", -1: "falls", 0: "stays"}
    text = (
        f"as D's answer goes up, d_loss {words[real]} on real pictures and {words[fake]} on "
        f"generated ones, g_loss {words[g]}"
    )
    if g == 0:
        raise NotApplicable(f"{text}: it asks something else (feature matching?).")
    if fake == 0 or real == 0:
        return True, 0, text, "D's loss leaves a kind of picture out."
    if g == fake:
        return True, 0, text, "G and D want the same. One of the two steps has its targets swapped."
    if real == fake:
        return True, 0, text, "D calls both kinds the same. One target of the D-step is wrong."
    return False, 1, text, ""


@instrument("labels and answers line up", "each answer of D is compared with one target")
def labels_line_up(case):
    """Look for answers that are compared with *all* labels of a mixed batch.

    (B,) against (B, 1) makes B x B numbers. If half of the labels are 1 and half 0, each answer
    then has the mean target 0.5, real or generated, and D can learn nothing.
    """
    found = table(case)
    if found.real.target is None or found.fake.target is None:
        raise NotApplicable("The loss has no targets.")
    shapes = {call.outputs[case.score].shape for call in case.calls_of("D")}
    text = (
        f"D answers in shape {', '.join(map(str, sorted(shapes)))}; mean target of real "
        f"{found.real.target:.2f}, of generated {found.fake.target:.2f}"
    )
    apart = abs(found.real.target - found.fake.target)
    advice = "Logits and labels have other shapes, (B,) and (B, 1), and broadcast. Print both."
    return apart < TARGET, apart, text, advice


@instrument("class heads", "logits in front of a cross-entropy, not probabilities")
def class_heads(case):
    """Look for a softmax in front of a cross-entropy that has its own.

    Outputs of D other than the score whose rows are probabilities should go to a loss that takes
    probabilities. A loss that takes logits does not notice if 1 is added to all of them.
    """
    call = case.calls_of("D")[0]
    heads = [
        index
        for index, output in enumerate(call.outputs)
        if index != case.score and output.ndim == 2 and output.shape[1] > 1
    ]
    if not heads:
        raise NotApplicable("D has one output, the score.")
    softmaxed = [i for i in heads if _are_probabilities(call.outputs[i])]
    if not softmaxed:
        return False, 0, f"{len(heads)} heads, none of them ends in a softmax", ""
    case.needs_a_step()
    plain = case.losses_of(case.base)
    moved = case.losses_of(case.still(alter=functools.partial(_shift, softmaxed)))
    change = max(abs(moved[player] - plain[player]) for player in "DG")
    text = (
        f"a head ends in a softmax; adding 1 to all its outputs changes the losses by {change:.2g}"
    )
    return change < 1e-4, change, text, "Two softmaxes: give the loss the logits."


@instrument("heads agree", "what lowers D's loss on a generated picture's class lowers G's")
def heads_agree(case):
    """Answer in place of D's other heads, and look whether both losses like the same answers.

    A classifier of generated pictures helps both players (ACGAN, InfoGAN); only the score is what
    they fight about. A twin classifier that G is meant to defeat (Gong et al. 2019) would be told
    as ill.
    """
    case.needs_a_step()
    call = case.calls_of("D")[0]
    heads = [i for i, out in enumerate(call.outputs) if i != case.score and out.ndim == 2]
    if not heads:
        raise NotApplicable("D has one output, the score.")
    if not any((kinds == "fake").any() for kinds in case.kinds):
        raise NotApplicable("No picture that D sees depends on G.")
    draws = [case.losses_of(_with_heads(case, heads, seed)) for seed in range(DRAWS)]
    d, g = (np.array([losses[player] for losses in draws]) for player in "DG")
    d, g = d - d.mean(), g - g.mean()
    if not (np.ptp(d) > 1e-6 and np.ptp(g) > 1e-6):
        raise NotApplicable("One of the two losses does not ask the other heads on these pictures.")
    agreement = float(d @ g / np.sqrt((d @ d) * (g @ g)))
    text = f"correlation of both losses over {DRAWS} random answers {agreement:.2f}"
    return agreement < -0.9, agreement, text, "G's term for the class has the wrong sign."


def _with_heads(case, heads, seed):
    """Take a round in which D's other heads answer at random to generated pictures.

    All calls of D get the same answers, whatever the step does in between.
    """
    kinds = iter(case.kinds)

    def alter(call, live, outputs):
        if call.player == "D":
            fake, rng = next(kinds) == "fake", np.random.default_rng(seed)
            for index in heads:
                own = call.outputs[index]
                drawn = np.zeros_like(own)
                drawn[fake] = 3 * rng.normal(size=(fake.sum(), own.shape[1]))  # Of a sure answer.
                missing = np.where(fake[:, None], drawn - own, 0).astype(own.dtype)
                outputs[index] = outputs[index] + case.patient.tensor(missing)
        return outputs

    return case.still(alter=alter)


def _are_probabilities(output):
    return bool((output >= 0).all() and np.abs(output.sum(1) - 1).max() < 1e-4)


def _shift(heads, call, live, outputs):
    if call.player == "G":
        return outputs
    return [o + 1 if index in heads else o for index, o in enumerate(outputs)]


@instrument("gradient of a flat D", "finite, also where D's slope is 0")
def flat_discriminator(case):
    """Make D's score constant, as D is before it has learned, and look for NaN.

    The norm of a gradient has a square root in it, and the slope of a root at 0 is infinite: times
    0 that is NaN, in all of D's weights at once.
    """
    case.needs_a_step()

    def flat(call, live, outputs):
        if call.player == "D":
            outputs[case.score] = 0 * outputs[case.score]
        return outputs

    run = case.still(alter=flat)
    if run.error is not None:
        raise NotApplicable(f"The step does not take a constant D: {_first_line(run.error)}")
    bad = {
        name
        for update in run.updates
        for name, gradient in update.gradients.items()
        if gradient is not None and not np.isfinite(gradient).all()
    }
    text = f"{len(bad)} arrays with a gradient that is not finite"
    advice = "Add a small number under the square root of the penalty's norm: sqrt(sum + 1e-12)."
    return bool(bad), len(bad), text, advice


def _first_line(error):
    return f"{type(error).__name__}: {error}".splitlines()[0][:160]
