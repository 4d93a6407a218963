"""Instruments that call the networks again, to see what an answer is made of."""

from typing import NamedTuple

import numpy as np

from .case import NEAR, is_label, reach
from .report import NotApplicable, instrument

LEAST_GAIN, LEAST_SIGNAL, LARGEST_SIGNAL = 0.01, 1e-4, 1e4
LEAST_NORMED = 0.3  # Of the deviation that a batch normalisation should give; eps = .8 gives less.
DEAD = 0.995  # Share of zeros; a ReLU on a centred signal has half.


class Cause(NamedTuple):
    """The layer where two calls part first, and what it does there."""

    what: str
    where: str

    def __str__(self):
        return f"{self.what} in {self.where}"

    @property
    def drops(self):
        """Whether it is dropout."""
        return self.what == "dropout"


def parting(events, others, rows=slice(None)):
    """Find the first tensor that differs in two calls of one network.

    Events come in order of time: what goes into a layer, what comes out. If a layer's output is
    the first to differ, that layer did it; if it is an input, the code before that layer did.

    Parameters
    ----------
    events, others : list of Event
        What was seen in the two calls.
    rows : slice, optional
        Which rows of each tensor are compared.

    Returns
    -------
    (Event, numpy.ndarray, numpy.ndarray) or None
        Where they part, and the two tensors.
    """
    for event, other in zip(events, others, strict=False):
        for one, two in zip(event.arrays, other.arrays, strict=False):
            if one.shape != two.shape or one.ndim < 2:
                continue
            a, b = one[rows], two[rows]
            if np.abs(a.astype(float) - b).max() > NEAR * max(np.abs(one).max(), 1e-30):
                return event, a, b
    return None


def chance(case, player, training):
    """Name what makes an answer differ if the same input is given twice; None if nothing does.

    Dropout shows by its zeros: where two answers differ, one of them is 0. Noise has no zeros.
    """
    call = case.calls_of(player)[0]
    (_, first), (_, again) = (case.patient.replay(call, None, training, s) for s in (1, 2))
    found = parting(first, again)
    if found is None:
        return None
    event, a, b = found
    differ = a != b
    zeros = bool(((a == 0) | (b == 0))[differ].all())
    return Cause("dropout" if zeros else "noise", _place(event))


def leaning(case, player, training):
    """Name what makes a sample depend on the others in its batch; None if nothing does.

    The first sample stays, all others become half of what they are, whole numbers change places;
    the same seed draws the same dropout.
    """
    call = case.calls_of(player)[0]
    others = [_other_company(array) for array in call.inputs]
    pair = [case.patient.replay(call, new, training) for new in (None, others)]
    found = parting(pair[0][1], pair[1][1], slice(0, 1))
    if found is None:
        return None
    event = found[0]
    if event.moment == "out" and event.layer.role == "batch normalisation":
        return Cause("batch normalisation", event.layer.name)
    return Cause("statistics or mixing of the batch", _place(event))


def _other_company(array):
    new = array.copy()
    if array.dtype.kind == "f":
        new[1:] = array[1:] / 2
    elif len(array) > 2:
        new[1:] = np.roll(array[1:], 1, axis=0)
    return new


def _place(event):
    kind = f"{event.layer.name} ({event.layer.kind})"
    return kind if event.moment == "out" else f"the code before {kind}"


@instrument("neighbours", "in inference mode each sample stands alone, and one z gives one picture")
def neighbours(case):
    """Keep a sample and exchange the others; then give the same input twice.

    In training mode batch normalisation leans on the neighbours, and dropout draws: both are as
    they should be, and named. In inference mode neither may, but for statistics of the batch in D
    that are no normalisation, which are meant. Last, all samples change places: their answers
    must do so, too.
    """
    lines, advice = [], ""
    for player in "GD":
        for training, mode in ((False, "inference"), (True, "training")):
            company, luck = leaning(case, player, training), chance(case, player, training)
            seen = [str(cause) for cause in (company, luck) if cause is not None]
            lines.append(f"{player} in {mode}: {' and '.join(seen) or 'stands alone'}")
            if not training:
                advice = advice or _ill_company(case, player, company, luck)
    return bool(advice), bool(advice), "; ".join(lines), advice


def _ill_company(case, player, company, luck):
    """Say what is wrong with a player in inference mode; empty if nothing is."""
    if company is not None and (player == "G" or company.what == "batch normalisation"):
        return f"{player}'s answers in inference mode depend on company: {company}."
    if luck is not None:
        # A G of pictures alone has no z: dropout is its only noise (pix2pix).
        has_z = np.prod(case.calls_of("G")[0].inputs[0].shape[2:]) == 1
        return f"One z, two pictures: {luck}." if player == "G" and has_z and luck.drops else ""
    call = case.calls_of(player)[0]
    turned = [array[::-1].copy() for array in call.inputs]
    pair = [case.patient.replay(call, new, training=False)[0] for new in (None, turned)]
    gaps = [
        np.abs(a - b[::-1]).max() / max(np.abs(a).max(), 1e-30) for a, b in zip(*pair, strict=True)
    ]
    return f"{player} mixes its samples up: look at its reshapes." if max(gaps) > 1e-3 else ""


@instrument("real and generated apart", "no mixed batch in a D that normalises over the batch")
def apart(case):
    """Look for calls of D with both kinds of pictures, if D's answers depend on company.

    Batch statistics of a mixed batch give away which half is which, and G, whose pictures come
    alone in its own step, learns from another D.
    """
    kinds = ["+".join(sorted(set(rows))) for rows in case.kinds]
    mixed = [kind for kind in kinds if "real" in kind and "fake" in kind]
    text = f"D is called with {', '.join(kinds)}"
    if not mixed:
        return False, 0, text, ""
    cause = leaning(case, "D", training=True)
    if cause is None:
        return False, 0, f"{text}; each sample stands alone in it", ""
    advice = "Call D twice, once for each kind, or leave batch normalisation out of D."
    return True, len(mixed), f"{text}; in it, {cause}", advice


@instrument("signal survives", "a deviation of like size from layer to layer, about 1 after a norm")
def signal(case):
    """Follow the standard deviation of what comes out of each layer, in the step's mode.

    A kernel's gain is the deviation of its output over that of its input. What a batch
    normalisation gives should deviate by its gain: by less, if eps is not small beside the
    variance.
    """
    bad, least = [], np.inf
    for player in "GD":
        call = case.calls_of(player)[0]
        _, events = case.patient.replay(call)
        start = max(np.std(call.inputs[0].astype(float)), 1e-30)
        into = {}
        for event in events:
            if not event.layer.leaf or not event.arrays or event.arrays[0].dtype.kind != "f":
                continue
            array, name = event.arrays[0].astype(float), event.layer.name
            if event.moment == "in":
                into[name] = array
                continue
            said, gain = _signal_of(case, event, array, into.get(name), start)
            least = min(least, gain)
            if said:
                bad.append(f"{name} ({event.layer.kind}): {said}")
    text = f"least gain of a kernel {least:.2g}" + "".join(f"; {b}" for b in bad[:3])
    advice = (
        "Initial weights too small or large, eps too large, units dead, or a norm in inference."
    )
    return bool(bad), least, text, advice


def _signal_of(case, event, array, into, start):
    """Return what is wrong with a layer's output, if anything is, and its kernel's gain."""
    if not np.isfinite(array).all():
        return "not finite", np.inf
    spread = np.std(array)
    if not event.layer.weighs and np.mean(array == 0) > DEAD:
        return f"{np.mean(array == 0):.1%} zeros", np.inf
    if event.layer.role == "batch normalisation":
        gain = case.patient.norm_gain(event.layer)
        size = spread / max(gain, 1e-30)
        return (f"deviation {size:.2g} of its gain" if size < LEAST_NORMED else ""), np.inf
    if not event.layer.weighs or into is None or np.std(into) == 0:
        return "", np.inf
    gain = spread / np.std(into)
    if gain < LEAST_GAIN or spread < LEAST_SIGNAL * start or spread > LARGEST_SIGNAL * start:
        return f"deviation {spread:.2g} from {np.std(into):.2g}", gain
    return "", gain


@instrument("pictures are comparable", "real ones of G's shape, and of the range that G can reach")
def pictures(case):
    """Put what D sees of both kinds side by side: shape, kind of number, range.

    G's range is what it can reach if its last layer is turned up, not what it draws today.
    """
    real, fake = case.call_of_kind("real"), case.call_of_kind("fake")
    index = _picture_index(real, fake)
    x, y = real.inputs[index], fake.inputs[index]
    low, high = reach(case.patient, case.calls_of("G")[0])
    text = (
        f"real {x.shape[1:]} {x.dtype} from {x.min():.2f} to {x.max():.2f}; generated "
        f"{y.shape[1:]} {y.dtype} from {y.min():.2f} to {y.max():.2f}, can reach {low:.3g} to "
        f"{high:.3g}"
    )
    if x.shape[1:] != y.shape[1:]:
        turned = sorted(x.shape[1:]) == sorted(y.shape[1:])
        advice = (
            "Channels are first in one, last in the other." if turned else "Resize to G's size."
        )
        return True, 0, text, advice
    share = (float(x.max()) - float(x.min())) / max(high - low, 1e-12)
    beyond = max(float(x.max()) - high, low - float(x.min())) / max(high - low, 1e-12)
    advice = f"Scale real pictures to {low:.0f} to {high:.0f}, the ends of G's last layer."
    bounded = high - low < 10  # A tanh has 2, a sigmoid 1, a G without an end thousands.
    if bounded:
        return beyond > 0.02 or share < 0.6, share, text, advice
    large = x.ndim == 4 and float(np.abs(x).max()) > 10
    return large, float(np.abs(x).max()), text, "Scale real pictures to -1 to 1."


def _picture_index(real, fake):
    """Return which input of D has the pictures: the first in which both kinds differ."""
    pairs = enumerate(zip(real.inputs, fake.inputs, strict=True))
    return next((i for i, (one, two) in pairs if not np.array_equal(one, two)), 0)


@instrument("samples differ", "about as much from each other as real pictures do")
def samples_differ(case):
    """Compare how generated pictures of one batch differ with how real ones do.

    The share of variance that lies *between* pictures, rather than within each of them, needs no
    scale, so a G that is untrained and pale passes; one that draws the same picture for each z
    does not. The distance to the nearest other picture, over the mean distance, is 0 where a few
    pictures repeat.
    """
    call = case.calls_of("G")[0]
    # One class for all: a G may draw one picture for each class.
    one = [np.repeat(a[:1], len(a), 0) if is_label(a) else a for a in call.inputs]
    generated = case.patient.replay(call, one)[0][0]
    real = case.patient.numpy(case.batch[case.real])
    if len(generated) < 8:
        raise NotApplicable(f"The batch has {len(generated)} pictures; 8 or more are needed.")
    between, near = (np.array([f(generated), f(real)]) for f in (_between, _nearest))
    text = (
        f"variance between pictures {between[0]:.1%} (real {between[1]:.1%}); nearest other at "
        f"{near[0]:.2f} of the mean distance (real {near[1]:.2f})"
    )
    ill = bool(between[0] < 0.02 * between[1] or near[0] < 0.1 * near[1])
    advice = "Mode collapse, or a G that does not read z. More steps of D, another loss; see G's z."
    return ill, between[0], text, advice


def _between(pictures):
    x = pictures.reshape(len(pictures), -1).astype(float)
    return x.var(axis=0).mean() / max(x.var(), 1e-30)


def _nearest(pictures):
    x = pictures.reshape(len(pictures), -1).astype(float)
    squares = (x**2).sum(1)
    distances = np.sqrt(np.maximum(squares[:, None] + squares - 2 * x @ x.T, 0))
    pairs = distances[np.triu_indices(len(x), 1)]
    np.fill_diagonal(distances, np.inf)
    return np.median(distances.min(1)) / max(np.mean(pairs), 1e-30)


@instrument("inputs are read", "G reads all of z, and G and D read the labels or pictures they get")
def inputs_are_read(case):
    """Exchange one input among the samples, and look whether anything changes.

    For numbers the gradient tells for each column of z; whole numbers, such as labels, change
    places. Labels may be unread at the start on purpose (equal gains for all classes), so this is
    done after three rounds of training.
    """
    case.needs_a_step()
    ignored, count = [], 0
    case.needs_to_move()
    with case.patient.trained():
        for player in "GD":
            call = case.calls_of(player)[0]
            gradients = case.patient.input_gradients(call, bool(call.training))
            for index, (array, gradient) in enumerate(zip(call.inputs, gradients, strict=True)):
                said = _unread(case, call, index, array, gradient)
                count += 1
                if said:
                    ignored.append(f"{player} ignores {said} of its input {index} {array.shape}")
    text = "; ".join(ignored) or f"all of {count} inputs"
    advice = "Follow this input through the network's forward pass."
    return bool(ignored), len(ignored), text, advice


def _unread(case, call, index, array, gradient):
    """Say in words which part of an input is not read; empty if all is."""
    if gradient is None:
        new = list(call.inputs)
        new[index] = np.roll(array, 1, axis=0)
        if np.array_equal(new[index], array):
            return ""  # One label for all: nothing to exchange.
        outputs, _ = case.patient.replay(call)
        changed, _ = case.patient.replay(call, new)
        same = all(np.array_equal(a, b) for a, b in zip(outputs, changed, strict=True))
        return "all" if same else ""
    if not np.any(gradient):
        return "all"
    if np.prod(array.shape[2:]) > 1 or array.ndim < 2:
        return ""  # A picture's border may well be unread.
    columns = np.abs(gradient).reshape(len(array), -1).max(0)
    unread = int((columns < 1e-6 * columns.max()).sum())
    return f"{unread} of {len(columns)} columns" if unread else ""
