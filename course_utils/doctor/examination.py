"""One call that runs every instrument."""

from ..refusals import check_callable, check_texts, check_whole
from .case import Case
from .losses import (
    class_heads,
    flat_discriminator,
    heads_agree,
    labels_line_up,
    loss_value,
    opponents,
)
from .networks import apart, inputs_are_read, neighbours, pictures, samples_differ, signal
from .penalties import blend_shares, gradient_penalty
from .records import is_tensor
from .report import NOT_APPLICABLE, Finding, Report
from .steps import (
    fresh_input,
    gradient_arrives,
    nothing_left,
    settings,
    short_batch,
    step_runs,
    told_to_train,
    who_moves,
    who_trains_whom,
)

INSTRUMENTS = (
    step_runs,
    pictures,
    who_moves,
    who_trains_whom,
    gradient_arrives,
    nothing_left,
    loss_value,
    opponents,
    labels_line_up,
    class_heads,
    heads_agree,
    blend_shares,
    gradient_penalty,
    flat_discriminator,
    told_to_train,
    neighbours,
    apart,
    signal,
    fresh_input,
    inputs_are_read,
    samples_differ,
    short_batch,
    settings,
)


def examine(G, D, step, batch, *, real=0, score=0, losses=("d_loss", "g_loss"), steps=1, only=None):
    """Examine a GAN with one batch: run every instrument of the clinic on it.

    No code of the GAN needs to change. Its own step is run some thirty times, under hooks that see
    each call of G and of D, each layer's mode and each optimiser's gradients; so what the networks
    take (labels, pictures, several heads) is learned from the step itself. In most of these runs
    no weight moves, and in some D's answers are exchanged for known ones.

    A compiled step is carried out eagerly while it is watched, since compiled code runs no hook,
    and compiled where weights are compared.

    Parameters
    ----------
    G, D : torch.nn.Module or keras.Model
        Both of one framework; Keras on TensorFlow. The step must call these two, ``G(...)`` and
        ``D(...)``: what it calls past them (``G.forward(z)``) is not seen.
    step : callable
        ``step(*batch)`` is one step of training for both players. It may return a dict with the
        losses; without one, instruments that ask the losses are not applicable.
    batch : tuple
        What the step takes, such as ``(x_real, z)``: tensors whose first axis counts pictures, 8
        or more, and anything else.
    real : int, optional
        Where in the batch the real pictures are, those that D shall call real: 1 for a pair
        ``(sketch, photo)``.
    score : int, optional
        Which of D's outputs says real or generated, if D has several. Its first axis counts
        pictures; a map of scores for each picture (PatchGAN) is fine.
    losses : (str, str), optional
        The keys of D's and of G's loss in what the step returns.
    steps : int, optional
        How many calls of the step make a round in which both players move: 5 if the step trains G
        at each fifth call.
    only : sequence of str, optional
        Names of instruments, such as ``["who moves", "settings"]``; all if left out. Runs that none
        of them needs are not made.

    Returns
    -------
    Report
        To print, ``report.assert_sound()`` in a test, ``sys.exit(report.exit_code)`` in CI.

    Raises
    ------
    TypeError
        If G and D are not two networks of one framework.
    ValueError
        If the step cannot be called, the batch is no tuple with real pictures where ``real`` says,
        or an option is wrong.

    Notes
    -----
    Put back afterwards: weights, buffers, modes and gradients of G and D, the state of each
    optimiser that made a step and all weights that it holds, the random generators of PyTorch,
    NumPy and Python. Not put back: what else the step changes (its own counters, schedules,
    averages of weights, buffers of old pictures, generators of its own) and TensorFlow's and Keras'
    global generators, which are seeded. Where a step draws from a generator of its own, instruments
    that compare runs are not applicable.

    What one batch cannot show is not examined: whether labels belong to their pictures, whether a
    learning rate is good, whether samples are, and what a loop around the step does.
    """
    if only is not None:
        names = [instrument.title for instrument in INSTRUMENTS]
        if strangers := set(check_texts("only", only)) - set(names):
            raise ValueError(f"No instrument is called {min(strangers)!r}. There are: {names}.")
    patient = _admit(G, D, step, batch, real, score, losses, steps)
    case = Case(patient, tuple(batch), real, score, tuple(losses), steps)
    try:
        chosen = [i for i in INSTRUMENTS if only is None or i.title in only]
        return Report(tuple(_apply(instrument, case) for instrument in chosen))
    finally:
        patient.leave()


def _apply(instrument, case):
    try:
        return instrument(case)
    except Exception as error:  # An unusual GAN must not cost the other instruments' findings.
        case.patient.restore()
        text = " ".join(f"Could not be measured: {type(error).__name__}: {error}".split())[:300]
        return Finding(instrument.title, NOT_APPLICABLE, text, None, instrument.expected)


def _admit(G, D, step, batch, real, score, losses, steps):
    """Refuse what cannot be examined; return the patient."""
    patient_class = _class_for(G, D)
    check_callable("step", step)
    check_whole("real", real, 0)
    check_whole("score", score, 0)
    check_whole("steps", steps, 1)
    check_texts("losses", losses, 2)
    if not isinstance(batch, (tuple, list)) or len(batch) <= real:
        found = f"{len(batch)} parts" if isinstance(batch, (tuple, list)) else type(batch).__name__
        raise ValueError(
            f"batch must be the tuple that step(*batch) takes, with real pictures at {real}, but "
            f"got {found}."
        )
    if not is_tensor(batch[real]) or len(batch[real].shape) < 2 or batch[real].shape[0] < 2:
        found = tuple(batch[real].shape) if is_tensor(batch[real]) else type(batch[real]).__name__
        raise ValueError(
            f"batch[{real}] must be a tensor of two or more real pictures, but got {found}. Say "
            "with real= where they are."
        )
    return patient_class(G, D, step)


def _class_for(G, D):
    """Return the class of patient, without importing a framework that is not in use."""
    kinds = {_framework(net) for net in (G, D)}
    if kinds == {"torch"}:
        from .torch_patient import TorchPatient

        return TorchPatient
    if kinds == {"keras"}:
        from .keras_patient import KerasPatient

        return KerasPatient
    raise TypeError(
        "G and D must be two torch.nn.Module or two keras.Model, but got "
        f"{type(G).__name__} and {type(D).__name__}."
    )


def _framework(net):
    if isinstance(net, type):
        return None
    if hasattr(net, "named_modules") and hasattr(net, "register_forward_hook"):
        return "torch"
    return "keras" if hasattr(net, "trainable_variables") and hasattr(net, "get_layer") else None
