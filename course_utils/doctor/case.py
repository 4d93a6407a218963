"""What instruments share: runs of the step, kinds of D's inputs, answers in D's place."""

import functools

import numpy as np

from .records import tensors
from .report import NotApplicable

NEAR = 1e-5  # Two results of one computation differ by less, in units of the larger one.


class Case:
    """A patient, its batch, and what was seen so far; each run is made once.

    Parameters
    ----------
    patient : TorchPatient or KerasPatient
        The networks and their step.
    batch : tuple
        What the step takes.
    real : int
        Where in the batch the real pictures are.
    score : int
        Which of D's outputs says real or generated.
    losses : (str, str)
        What the step calls the losses of D and of G.
    steps : int
        How many calls of the step make a round in which both players move.
    """

    def __init__(self, patient, batch, real, score, losses, steps):
        self.patient, self.batch, self.real, self.score = patient, batch, real, score
        self.loss_names = dict(zip("DG", losses, strict=True))
        self.steps = steps
        self.loss_table = None  # See losses.table.

    # --- runs ----------------------------------------------------------------------------------

    @functools.cached_property
    def watched(self):
        """Two rounds, every call and update written down."""
        return self.patient.run(self.batch, 2 * self.steps)

    @functools.cached_property
    def untouched(self):
        """Three rounds as the user makes them, compiled if the step is.

        Three, because a gate that starts at 0 (self-attention) hides what lies behind it in the
        first.
        """
        self.needs_a_step()
        return self.patient.run(self.batch, 3 * self.steps, watched=False)

    @functools.cached_property
    def base(self):
        """A round in which no weight moves and nothing is altered."""
        return self.still()

    def still(self, batch=None, alter=None, seed=0):
        """Return a round in which no weight moves."""
        self.needs_a_step()
        batch = self.batch if batch is None else batch
        return self.patient.run(batch, self.steps, alter, frozen=True, seed=seed)

    def needs_a_step(self):
        """Raise NotApplicable if the step does not run."""
        if self.watched.error is not None:
            raise NotApplicable("The step stops with an error.")

    def needs_to_move(self):
        """Raise NotApplicable if the step does not run as the user makes it."""
        if self.untouched.error is not None:
            raise NotApplicable("The step stops with an error.")

    def calls_of(self, player):
        """Return the calls of a player in the watched step; NotApplicable if there is none."""
        if not (calls := self.watched.calls_of(player)):
            raise NotApplicable(f"The step did not call {player}.")
        return calls

    # --- what D sees ---------------------------------------------------------------------------

    @functools.cached_property
    def kinds(self):
        """For each call of D in a round, the kind of each row: see :meth:`kinds_in`."""
        return self.kinds_in(self.batch)

    def kinds_in(self, batch):
        """Say of each row that D is given whether it depends on G, on real pictures, or on both.

        Nothing is guessed from values: G's answers are changed, then the real pictures, and each
        time the rows that change are noted. So augmented, scaled and resized pictures are
        recognised, too.

        Returns
        -------
        list of numpy.ndarray of str
            "real", "fake", "blend" (both), "other" (neither), or "unknown" (it changes by itself).
        """
        whole = batch is self.batch
        first = self.base if whole else self.still(batch)
        again = self.watched if whole else self.still(batch)
        if whole and not _same_inputs(first, again):  # A step that moves G before it calls D.
            again = self.still()
        of_g = self.still(batch, alter=_other_pictures)
        pictures = self._other_real(batch)
        of_x = self.still((*batch[: self.real], pictures, *batch[self.real + 1 :]))
        count = len(first.calls_of("D"))
        runs = [run.calls_of("D")[:count] for run in (first, again, of_g, of_x)]
        if any(len(calls) != count for calls in runs):
            raise NotApplicable("D is not called as often each time.")
        kinds = []
        for calls in zip(*runs, strict=True):
            noisy, fake, real = (_rows_differ(calls[0], other) for other in calls[1:])
            cases = [noisy, fake & real, fake, real]
            kinds.append(np.select(cases, ["unknown", "blend", "fake", "real"], "other"))
        return kinds

    def _other_real(self, batch):
        array = tensors(batch[self.real])[0]
        array = self.patient.numpy(array)
        return self.patient.tensor(array.max() + array.min() - array)

    def call_of_kind(self, kind):
        """Return the first call of D whose rows are all of one kind."""
        for call, kinds in zip(self.calls_of("D"), self.kinds, strict=False):
            if (kinds == kind).all():
                return call
        raise NotApplicable(f"No call of D has {kind} pictures alone that no noise hides.")

    # --- answers in D's place ------------------------------------------------------------------

    def answered(self, real, fake, batch=None, kinds=None):
        """Return the losses of a round in which D answers as told.

        Parameters
        ----------
        real, fake : float
            The score for each real and for each generated picture. D's own score goes on for
            blends of both. The gradient's path stays D's own: a constant is added to its score.

        Returns
        -------
        dict
            What the step returned, as floats.
        """
        kinds = iter(self.kinds if kinds is None else kinds)

        def alter(call, live, outputs):
            if call.player == "D":
                own, rows = call.outputs[self.score], next(kinds)
                wanted = np.select([rows == "real", rows == "fake"], [real, fake], np.nan)
                wanted = wanted.reshape(-1, *[1] * (own.ndim - 1))
                missing = np.where(np.isnan(wanted), 0, wanted - own).astype(own.dtype)
                outputs[self.score] = outputs[self.score] + self.patient.tensor(missing)
            return outputs

        return self.losses_of(self.still(batch, alter))

    def losses_of(self, run):
        """Return D's and G's loss of a run by "D" and "G"; NotApplicable if there are none."""
        if run.error is not None:
            raise run.error
        returned = {name: value for losses in run.losses for name, value in losses.items()}
        missing = [name for name in self.loss_names.values() if name not in returned]
        if missing:
            names = ", ".join(returned) or "nothing"
            raise NotApplicable(f"The step returns {names}, and not {', '.join(missing)}.")
        return {player: returned[name] for player, name in self.loss_names.items()}

    @functools.cached_property
    def bounded(self):
        """Whether D's score lies between 0 and 1 whatever it sees; None if that cannot be told."""
        call = self.calls_of("D")[0]
        low, high = reach(self.patient, call, self.score)
        if low < -NEAR or high > 1 + NEAR:
            return False
        return True if low < 0.01 and high > 0.99 else None


def reach(patient, call, output=0):
    """Return the least and the largest value that a network can give.

    The last layer on the way to the output is turned up to 1000 times and to -1000 times what it
    is: a tanh or a sigmoid behind it goes to its ends, a network without one goes far beyond.
    """
    outputs, events = patient.replay(call, training=False)
    layers = [e.layer for e in events if e.moment == "out" and e.layer.leaf and e.layer.weighs]
    found = [call.outputs[output]]
    for layer in reversed(layers):  # Of several heads, the last one called may be another one.
        for factor in (1000, -1000):

            def turned(weight, factor=factor):  # A spectral norm takes a factor back, no shift.
                return weight * factor if weight.ndim > 1 else weight + factor

            with patient.changed(call.player, turned, layer):
                found.append(patient.replay(call, training=False)[0][output])
            if np.allclose(found[-1], outputs[output], rtol=1e-3):
                break
        else:
            break
    return min(np.nanmin(a) for a in found), max(np.nanmax(a) for a in found)


def is_label(array):
    """Return whether an array has whole numbers or one-hot rows: the same classes are no fault."""
    one_hot = array.ndim == 2 and bool(((array == 0) | (array == 1)).all())
    return array.dtype.kind in "iub" or one_hot


def _other_pictures(call, live, outputs):
    """Answer in G's place: its pictures, inverted, at half contrast and brighter."""
    return [0.3 - 0.5 * output for output in outputs] if call.player == "G" else outputs


def _same_inputs(run, other):
    """Return whether D was given the same in two runs, as far as the shorter one goes."""
    pairs = zip(run.calls_of("D"), other.calls_of("D"), strict=False)
    return not any(_rows_differ(call, twin).any() for call, twin in pairs)


def _rows_differ(call, other):
    """Return for each row of a call's inputs whether it differs in another call."""
    rows = np.zeros(len(call.inputs[0]), bool)
    for one, two in zip(call.inputs, other.inputs, strict=True):
        if one.shape == two.shape and one.shape[:1] == rows.shape:
            far = np.abs(one.astype(float) - two) > NEAR * max(np.abs(one).max(), 1e-30)
            rows |= far.reshape(len(rows), -1).any(1)
        else:
            rows[:] = True
    return rows
