"""A GAN under examination, whatever its framework: run its step, replay its calls, put all back."""

import contextlib
import random

import numpy as np

from ..arrays import to_numpy
from .records import ROWS, Call, Run, exchange, tensors


class Patient:
    """G, D and their step; subclasses speak to one framework each.

    A subclass defines ``layers``, ``settings``, ``optimiser_settings``, ``norm_gain``, ``weights``,
    ``frozen``, ``keep``, ``put_back``, ``seed``, ``tensor``, ``constant``, ``row_sums``, ``like``,
    ``watching``, ``traced``, ``call``, ``input_gradients`` and ``changed``.

    Parameters
    ----------
    G, D : torch.nn.Module or keras.Model
        The players.
    step : callable
        The training step.
    """

    def __init__(self, G, D, step):
        self.players = {"G": G, "D": D}
        self.step = step
        self.optimisers = {}  # By id: each optimiser that was seen, and its first state.
        self.others = {}  # By id: weights of neither player that an optimiser moves.
        self._generators = random.getstate(), np.random.get_state()
        self.home = self.moved_on = self.keep()

    def run(self, batch, rounds=1, alter=None, frozen=False, watched=True, seed=0):
        """Take steps from the given state and come back to it.

        Parameters
        ----------
        batch : tuple
            What the step takes.
        rounds : int, optional
            How many steps.
        alter : callable, optional
            ``alter(call, live, outputs)`` exchanges what a player answers. ``call`` is the
            :class:`~course_utils.doctor.records.Call`, ``live`` and ``outputs`` are the tensors
            that went in and came out, still part of the gradient's path.
        frozen : bool, optional
            Whether optimisers are kept from moving weights.
        watched : bool, optional
            If False, the step runs untouched, and compiled if it is compiled. Compiled code runs no
            hook, so a watched step is carried out eagerly.
        seed : int, optional
            For what the step draws itself.

        Returns
        -------
        Run
            What was seen; ``error`` holds an exception of the step.
        """
        run = Run(before={} if frozen else self.weights())
        self.seed(seed)
        with self.watching(run, alter, frozen) if watched else contextlib.nullcontext():
            try:
                for _ in range(rounds):
                    run.losses.append(self._read_losses(self.step(*batch)))
            except Exception as error:  # Of the user's code: it is a finding.
                run.error = error
        run.after = {} if frozen else self.weights()
        if not watched:
            self.moved_on = self.keep()
        self.restore()
        return run

    @contextlib.contextmanager
    def trained(self):
        """Let the networks be those after the untouched run, within a ``with`` block."""
        self.put_back(self.moved_on)
        with self.as_it_is():
            yield

    @contextlib.contextmanager
    def as_it_is(self):
        """Come back to the present state instead of the given one, within a ``with`` block."""
        first, self.home = self.home, self.keep()
        try:
            yield
        finally:
            self.home = first
            self.restore()

    def replay(self, call, new=None, training=None, seed=0):
        """Call a player again as the step called it, and come back.

        Parameters
        ----------
        call : Call
            A recorded call.
        new : list of numpy.ndarray, optional
            Other inputs in place of the recorded ones.
        training : bool, optional
            The mode; the recorded one if None.
        seed : int, optional
            For what the network draws itself, such as dropout.

        Returns
        -------
        outputs : list of numpy.ndarray
            The tensors that came out.
        events : list of Event
            What went into and came out of each layer, in order of time.
        """
        training = bool(call.training) if training is None else training
        new = [self.tensor(a) for a in (call.inputs if new is None else new)]
        args, kwargs = exchange((call.args, call.kwargs), new)
        events = []
        self.seed(seed)
        with self.traced(call.player, events):
            outputs = self.call(call.player, args, kwargs, training)
        outputs = [self.numpy(tensor) for tensor in tensors(outputs)]
        if training:  # In inference mode nothing changes but PyTorch's flag, which each call sets.
            self.restore()
        return outputs, events

    def restore(self):
        """Put weights, statistics, modes, gradients and optimisers back to their first state."""
        self.put_back(self.home)

    def leave(self):
        """Restore, and give the random generators of Python and NumPy back their states."""
        self.restore()
        random.setstate(self._generators[0])
        np.random.set_state(self._generators[1])

    def record_call(self, run, alter, player, args, kwargs, training, outputs):
        """Write a call down, and return its outputs, altered if that is asked for."""
        live = tensors((args, kwargs))
        cut = [self.constant(tensor) for tensor in live]
        given = exchange((args, kwargs), cut)
        arrays = [self.numpy(tensor) for tensor in live]
        call = Call(player, *given, training, arrays)
        came = tensors(outputs)
        call.outputs = [self.numpy(tensor) for tensor in came]
        run.calls.append(call)
        return outputs if alter is None else exchange(outputs, alter(call, live, came))

    def first_rows(self, tree):
        """Return the first rows of the tensors in a tree, as NumPy arrays."""
        return [self.numpy(t[:ROWS] if len(t.shape) else t) for t in tensors(tree)]

    @staticmethod
    def numpy(tensor):
        """Return a tensor as a NumPy array of its own."""
        return np.array(to_numpy(tensor))

    @staticmethod
    def _read_losses(returned):
        """Return the numbers of the dict that a step returned, as floats; empty if none did."""
        if not isinstance(returned, dict):
            return {}
        read = {}
        for name, value in returned.items():
            with contextlib.suppress(TypeError, ValueError):
                array = to_numpy(value)
                read[name] = float(array.item())
        return read
