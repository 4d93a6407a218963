"""Instruments that look at the step: who moves, by whose gradient, and in which mode."""

import numpy as np

from .case import is_label
from .losses import table
from .report import NotApplicable, instrument

TINY = 1e-12  # A gradient's root mean square: float32 weights no longer feel it.
VANISHED = 1e-9  # Of the largest kernel's: behind a gate that opens it is 1e-6, else 1e-3.
LEFT = 1e-3  # Share of gradient left over; float32 sums differ by 1e-6.


@instrument("step runs", "no error, and losses and weights that are finite")
def step_runs(case):
    """Take three steps, and look for an error, NaN or infinity."""
    error = case.watched.error or case.untouched.error
    if error is not None:
        text = " ".join(f"{type(error).__name__}: {error}".split())[:200]
        return True, np.nan, text, _what_to_do(text)
    run = case.untouched
    bad = [name for losses in run.losses for name, v in losses.items() if not np.isfinite(v)]
    bad += [name for name, array in run.after.items() if not np.isfinite(array).all()]
    text = f"{len(run.losses)} steps, {len(bad)} losses and arrays that are not finite"
    text += f" ({', '.join(bad[:3])})" if bad else ""
    advice = "Look for a log, a root or a division at 0; a loss on logits needs none of them."
    return bool(bad), len(bad), text, advice


def _what_to_do(error):
    if "second time" in error or "inplace" in error or "in-place" in error:
        return "One graph serves two losses: finish D's step, then call D on the pictures again."
    if "No gradients" in error:
        return "The path from the loss to the weights is cut: look for detach or stop_gradient."
    if "between 0 and 1" in error:
        return "The loss takes probabilities and D gives logits: binary_cross_entropy_with_logits."
    return "Read the error: it names what did not fit."


@instrument("who moves", "each array of G and of D, within three rounds")
def who_moves(case):
    """Take three rounds as the user does, and compare all weights.

    A vector of shifts may stand still for good reasons (a shift before batch normalisation, the
    last shift of a critic), a kernel may not, unless it was frozen and no optimiser holds it.
    """
    moved = case.untouched.moved()
    if case.untouched.error is not None:
        raise NotApplicable("The step stops with an error.")
    text, advice = [], ""
    frozen = case.patient.frozen() - {n for u in case.watched.updates for n in u.names}
    kernels = [n for n, array in case.untouched.before.items() if array.ndim > 1]
    still = [name for name in kernels if not moved[name] and name not in frozen]
    for player in "GD":
        ours = [m for name, m in moved.items() if name.startswith(f"{player}.")]
        text.append(f"{player}: {sum(ours)} of {len(ours)} arrays moved")
        if not any(ours):
            advice = f"{player} stands still. Has it a gradient, and an optimiser that holds it?"
    if still and not advice:
        advice = "These kernels have no gradient, or no optimiser holds them."
    text = "; ".join(text) + (f"; still: {', '.join(still[:3])}" if still else "")
    return bool(advice), len(still), text, advice


@instrument("who trains whom", "one optimiser for G alone, another one for D alone")
def who_trains_whom(case):
    """Ask each optimiser of the step which arrays it holds."""
    updates = case.watched.updates
    if not updates:
        raise NotApplicable("No optimiser of the framework made a step.")
    if case.watched.error is not None and len({id(u.optimiser) for u in updates}) < 2:
        raise NotApplicable("The step stops before its second optimiser.")
    owners = {
        player: [u for u in updates if u.holds(player) and not u.holds(other)]
        for player, other in ("GD", "DG")
    }
    held = {id(u.optimiser): (u.holds("G"), u.holds("D")) for u in updates}
    names = {(True, False): "G", (False, True): "D", (True, True): "both", (False, False): "others"}
    text = f"{len(held)} optimisers hold: {', '.join(names[pair] for pair in held.values())}"
    for player, own in owners.items():
        if not own:
            advice = f"No optimiser holds {player}'s arrays alone. Look where it is made."
            return True, len(held), text, advice
    return False, len(held), text, ""


@instrument("gradient arrives", "in each kernel of G and D, finite and of like size")
def gradient_arrives(case):
    """Look at the gradients that the optimisers found, kernel by kernel.

    Root mean squares, so that large and small kernels compare. A gate that starts at 0 lets
    gradients through after the first step: the last round counts.
    """
    found = {}
    for update in case.watched.updates:
        for name, gradient in update.gradients.items():
            if name != "other" and case.watched.before[name].ndim > 1:
                missing = gradient is None
                found[name] = 0.0 if missing else float(np.sqrt(np.mean(np.square(gradient))))
    if not found:
        raise NotApplicable("No optimiser of the framework found a gradient.")
    bad = [name for name, size in found.items() if not np.isfinite(size)]
    if bad:
        return True, np.nan, f"not finite: {', '.join(bad[:3])}", "Look for a root or log at 0."
    worst, advice, value = [], "", 1.0
    for player in "GD":
        ours = {n: size for n, size in found.items() if n.startswith(f"{player}.")}
        if not ours:
            continue
        largest = max(ours.values())
        name = min(ours, key=ours.get)
        value = min(value, ours[name] / max(largest, TINY))
        worst.append(f"{player}: {ours[name]:.2g} in {name} to {largest:.2g}")
        if largest < TINY:
            advice = f"None arrives in {player}: detached pictures, or a saturated loss."
        elif ours[name] < VANISHED * largest:
            advice = advice or f"None arrives in {name}: a cut path, dead units or tiny weights."
    return bool(advice), value, "; ".join(worst), advice


@instrument("nothing is left in .grad", "each optimiser finds the gradient of its own phase alone")
def nothing_left(case):
    """Compare what an optimiser finds in ``.grad`` with what the last backward passes sent there.

    PyTorch adds gradients up until they are cleared. What another player's loss, or an earlier
    step, left there is applied, too.
    """
    updates = [u for u in case.watched.updates if u.holds("G") or u.holds("D")]
    if not updates:
        raise NotApplicable("No optimiser of the framework made a step.")
    worst = max(updates, key=lambda u: u.leftover)
    player = "D" if worst.holds("D") else "G"
    text = f"at most {worst.leftover:.0%} of an applied gradient came from another phase"
    advice = (
        f"zero_grad() before the backward pass of {player}'s loss, and detach generated pictures "
        "in D's step."
    )
    return worst.leftover > LEFT, worst.leftover, text, advice


@instrument("layers are told to train", "batch normalisation and dropout in training mode")
def told_to_train(case):
    """Ask each batch normalisation and dropout in which mode the step called it."""
    case.needs_a_step()
    modes = case.watched.modes
    if not modes:
        raise NotApplicable("No batch normalisation and no dropout was called.")
    never = [name for name, seen in modes.items() if True not in seen]
    text = f"{len(modes) - len(never)} of {len(modes)} layers ran in training mode"
    text += f"; never: {', '.join(never[:3])}" if never else ""
    advice = "PyTorch: .train() after .eval(). Keras: pass training=True in each call of the step."
    return bool(never), len(never), text, advice


@instrument("settings", "small eps, sensible rates, averages that remember")
def settings(case):
    """Read what is easily set wrong: the second argument of BatchNorm2d, for one, is eps."""
    strange = []
    for player in "GD":
        for layer, setting, value in case.patient.settings(player):
            if _strange(setting, value):
                strange.append(f"{layer}: {setting} {value:g}")
    seen = {id(update.optimiser): update.optimiser for update in case.watched.updates}
    for optimiser in seen.values():
        found = case.patient.optimiser_settings(optimiser)
        title = type(optimiser).__name__
        strange += [f"{title}: {key} {v:g}" for key, v in found.items() if _strange(key, v)]
        if found.get("beta1", 0) > found.get("beta2", 1):
            strange.append(f"{title}: beta1 above beta2")
        if "eps" in found and found["rate"] > 0.05:  # Adam's kind moves each weight by the rate.
            strange.append(f"{title}: rate {found['rate']:g}")
    text = "; ".join(strange[:4]) or "nothing strange"
    advice = "Name arguments. PyTorch's momentum m is Keras' 1 - m, and eps is no momentum."
    return bool(strange), len(strange), text, advice


def _strange(setting, value):
    """Return whether a setting is far from what papers and frameworks use."""
    return {
        "eps": not 0 < value < 0.01,
        "slope": not 0 <= value < 1,
        "rate": not 0 < value < 0.95,
        "weight of the new batch": not 0 < value <= 0.5,
    }.get(setting, False)


@instrument("G's input is fresh", "another one with another batch and other random numbers")
def fresh_input(case):
    """Give the step another batch and another seed, and look whether G gets anything new.

    A z that was drawn once, before the step, is the same in each step.
    """
    turned = tuple(_turned(case, part) for part in case.batch)
    runs = case.base, case.still(turned, seed=1)
    inputs = [[array for c in run.calls_of("G") for array in c.inputs] for run in runs]
    pairs = [pair for pair in zip(*inputs, strict=False) if not is_label(pair[0])]
    if not pairs:
        raise NotApplicable("The step did not call G with anything but labels.")
    fresh = sum(not np.array_equal(*pair) for pair in pairs)
    text = f"{fresh} of {len(pairs)} inputs of G changed, labels left out"
    return fresh == 0, fresh, text, "Draw z inside the step, or use the z that the step was given."


def _turned(case, part):
    """Return a tensor of the batch with its rows moved on by one; anything else as it is."""
    whole = len(case.batch[case.real])
    if getattr(part, "shape", None) and part.shape[0] == whole:
        return case.patient.tensor(np.roll(case.patient.numpy(part), 1, axis=0))
    return part


@instrument("short batch", "the step takes the last, shorter batch of a pass, at the same losses")
def short_batch(case):
    """Take a step with a little more than half of the batch.

    The losses at known answers of D must be those of a whole batch: labels or slices of a fixed
    size put some pictures into the wrong half.
    """
    case.needs_a_step()
    patient = case.patient
    whole = len(patient.numpy(case.batch[case.real]))
    if whole < 4:
        raise NotApplicable(f"The batch has {whole} pictures; 4 or more are needed.")
    rows = whole // 2 + 1
    short = tuple(_first_rows(patient, part, whole, rows) for part in case.batch)
    run = patient.run(short, case.steps)
    advice = "Take sizes from the data (ones_like, len), or drop the last batch in the loader."
    if run.error is not None:
        error = " ".join(f"{type(run.error).__name__}: {run.error}".split())[:120]
        return True, rows, f"{rows} of {whole} pictures: {error}", advice
    text = f"{rows} of {whole} pictures: the step runs"
    try:
        gap = _gap(case, short, run)
    except (NotApplicable, ValueError, RuntimeError):
        return False, 0, text, ""
    text += f"; d_loss at known answers changes by {gap:.1%}"
    return gap > 0.01, gap, text, advice


def _gap(case, short, run):
    """Return by which share D's loss for a right answer differs in a short batch."""
    known = table(case)
    kinds = _shorter(case.kinds, run.calls_of("D")) or case.kinds_in(short)
    middle, right = known.answers[2], known.answers[3]
    ends = (case.answered(answer, middle, short, kinds)["D"] for answer in (middle, right))
    short_change = -np.subtract(*ends)
    change = known.rows[0][3]["D"] - known.rows[0][2]["D"]
    return abs(short_change - change) / max(abs(change), 1e-6)


def _shorter(kinds, calls):
    """Return the kinds of rows in calls with a shorter batch; None if a call mixes kinds."""
    if any(len(set(rows)) > 1 for rows in kinds) or len(kinds) > len(calls):
        return None
    return [np.full(len(c.inputs[0]), k[0]) for k, c in zip(kinds, calls, strict=False)]


def _first_rows(patient, part, whole, rows):
    if getattr(part, "shape", None) and part.shape[0] == whole:
        return patient.tensor(patient.numpy(part)[:rows])
    return part
