"""The loop around a step function."""

import inspect
import math
import sys
import weakref
from pathlib import Path

import numpy as np
from tqdm import tqdm

from ..arrays import to_numpy
from ..refusals import check_callable, check_whole
from .checkpoints import checkpoint_path, load_checkpoint, save_checkpoint
from .history import History, NonFiniteError
from .interrupts import Interrupts
from .live import live_picture

# How many steps each step function has taken, and so the networks that it trains.
_taken = weakref.WeakKeyDictionary()


def train(
    step,
    batches,
    steps,
    name="training",
    snapshot=None,
    moments=8,
    checkpoint=None,
    state=None,
    checkpoint_every=500,
    picture=None,
):
    """Call a step function on batch after batch, with a progress bar and a history.

    Parameters
    ----------
    step : callable
        Takes a batch, the D-step and the G-step, and returns a dict of scalars, such as
        ``{"d_loss": ..., "g_loss": ...}``. Tuples and lists are given as arguments,
        ``step(images, labels)``, dicts by name, everything else as it is.
    batches : iterable
        An endless stream of batches, or one that starts anew when it has ended, such as a
        ``DataLoader`` or a ``tf.data.Dataset``. From a checkpoint, streams go on where they
        stopped if they have a ``position``: those of :meth:`ImageSet.batches` and of
        :func:`resumable`.
    steps : int
        How many steps the training has in all.
    name : str, optional
        Stands before the progress bar and in messages.
    snapshot : callable, optional
        ``snapshot()`` returns pictures or points, of either framework, always from the same z.
    moments : int, optional
        How many snapshots, evenly spaced, the untrained and the last state among them.
    checkpoint : path, optional
        A ``.safetensors`` file. It is written every ``checkpoint_every`` steps, at the end and on
        interrupt. If it is there at the start, training goes on from it.
    state : dict of str to object, optional
        What the checkpoint holds: PyTorch modules, optimisers and generators; Keras models and
        optimisers, ``tf.Variable`` and ``tf.random.Generator``.
    checkpoint_every : int, optional
        Steps between two checkpoints.
    picture : callable or False, optional
        In a notebook a picture above the bar moves while the training runs, at most twice a second
        and for less than 3 % of the time: the recorded values, and the last snapshot if it holds
        pictures or points in a plane. ``picture()`` returns samples that are drawn anew each time
        instead. It is called at moments that the clock decides, so it must not change what is
        trained, and takes no random number from a generator that the training uses. False shows
        no picture; nor is there one in a terminal, in nbval and where the environment variable
        ``COURSE_LIVE`` is 0.

    Returns
    -------
    History
        Complete, or cut short by an interrupt. It waits for the step to end, so the weights are
        those after a whole step.

    Raises
    ------
    NonFiniteError
        If a step returns NaN or infinity; names the step and the value, and carries the history.
    ValueError
        If arguments do not fit, the batches end too soon, or the checkpoint is of other models.
    OSError
        If the checkpoint cannot be read.
    """
    check_callable("step", step)
    if not hasattr(batches, "__iter__") and not hasattr(batches, "__getitem__"):
        raise ValueError(f"batches must be a stream of batches, but got {batches!r}.")
    check_whole("steps", steps, 1)
    if snapshot is not None:
        check_callable("snapshot", snapshot)
        check_whole("moments", moments, 2, why=", the first and the last")
    check_whole("checkpoint_every", checkpoint_every, 1)
    if (checkpoint is None) != (state is None):
        raise ValueError("checkpoint= and state= belong together: where to save, and what.")
    if not (picture is None or isinstance(picture, bool) or callable(picture)):
        raise ValueError(
            "picture must be a function that returns samples, or False for no live picture, but "
            f"got {picture!r}."
        )
    history = History()
    if checkpoint is not None and checkpoint_path(checkpoint).exists():
        history = load_checkpoint(checkpoint, state)
        _go_on(batches, history.steps, f"{name}: goes on", Path(checkpoint).name)
    before = _steps_before(step, name) if checkpoint is None else 0
    when = (
        set(np.linspace(0, steps, moments).round().astype(int)) if snapshot is not None else set()
    )

    def take_snapshot():
        if history.steps in when and history.steps not in history.snapshot_steps:
            history.snapshots.append(np.array(to_numpy(snapshot())))  # A copy.
            history.snapshot_steps.append(history.steps)

    live = live_picture(history, steps, name, picture)  # Above the bar, so it comes first.
    bar = tqdm(
        total=before + steps,
        initial=before + history.steps,
        desc=name,
        unit="step",
        file=sys.stdout,
        ncols=100,
        disable=sys.stdout is None,
    )
    saved = history.steps
    stream = iter(batches)
    with Interrupts() as interrupts, live, bar:
        take_snapshot()
        while history.steps < steps and not interrupts.came:
            try:
                batch = next(stream)
            except StopIteration:
                stream, batch = _anew(batches, name, history.steps, steps)
            _append(history, _call(step, batch), name)
            _remember(step, before + history.steps)
            take_snapshot()
            live.update()
            if bar.update():  # True when the bar is due to be drawn again.
                bar.set_postfix_str(_postfix(history), refresh=False)
            if checkpoint is not None and history.steps % checkpoint_every == 0:
                save_checkpoint(checkpoint, state, history)
                saved = history.steps
        bar.set_postfix_str(_postfix(history), refresh=True)
        if history.steps < steps:
            history.stopped = f"interrupted after step {history.steps}"
        if checkpoint is not None and saved < history.steps:
            save_checkpoint(checkpoint, state, history)
    print(_summary(name, history))
    return history


def _go_on(batches, steps, told, file):
    """Move the stream to where the checkpoint was written, and say what goes on and what not."""
    told += f" after step {steps}, as {file} holds it"
    if hasattr(batches, "position"):
        batches.position = steps
    else:
        told += "; its batches begin anew, because they have no position (see resumable)"
    print(told)


def _steps_before(step, name):
    """Return how many steps the same networks have had, and say it if there are any."""
    before = _taken.get(step, 0) if _can_be_remembered(step) else 0
    if before:
        print(
            f"{name}: these networks have had {before} steps before, which go on and are counted "
            "on. For a new start make new networks, and their step, first."
        )
    return before


def _remember(step, steps):
    if _can_be_remembered(step):
        _taken[step] = steps


def _can_be_remembered(step):
    """Say whether it can be a weak key; a method is another object at each call."""
    return not inspect.ismethod(step) and type(step).__weakrefoffset__ > 0


def _anew(batches, name, taken, steps):
    """Start another pass; return its iterator and its first batch."""
    stream = iter(batches)
    for batch in stream:
        return stream, batch
    raise ValueError(
        f"{name}: the batches ended after {taken} of {steps} steps. Pass an endless stream, such "
        "as image_set.batches(...), or what can start anew, such as a DataLoader."
    )


def _call(step, batch):
    if isinstance(batch, dict):
        return step(**batch)
    return step(*batch) if isinstance(batch, (tuple, list)) else step(batch)


def _append(history, record, name):
    """Record one step; refuse values that are not finite before they are recorded."""
    if not isinstance(record, dict) or not record:
        raise ValueError(
            "The step function must return a dict of scalars, such as "
            f"{{'d_loss': d_loss, 'g_loss': g_loss}}, but returned {type(record).__name__}."
        )
    # float() waits for the accelerator; so does everyone who wants to stop at the first NaN.
    scalars = {key: _scalar(key, value) for key, value in record.items()}
    for key, value in scalars.items():
        if not math.isfinite(value):
            history.stopped = f"{key} became {value} at step {history.steps + 1}"
            raise NonFiniteError(
                f"{name}: {history.stopped}. The history until then is in the exception's "
                "`history`. Usual causes: a learning rate too high, a logarithm of 0 (use losses "
                "on logits), data that is not in [-1, 1].",
                history,
            )
    for key, value in scalars.items():
        history.values.setdefault(key, []).append(value)
    history.steps += 1


def _scalar(key, value):
    array = to_numpy(value)
    if not isinstance(key, str) or array.size != 1 or array.dtype.kind not in "biuf":
        raise ValueError(
            "The step function must return a dict of scalars, but "
            f"{key!r} is {array.dtype} of shape {array.shape}."
        )
    return float(array.item())


def _postfix(history):
    return ", ".join(f"{key} {values[-1]:.2f}" for key, values in history.values.items())


def _summary(name, history):
    means = ", ".join(f"{key} {history.mean(key):.3f}" for key in history.values)
    end = f" ({history.stopped}; call train again to go on)" if history.stopped else ""
    return f"{name}: {history.steps} steps{end}; mean of the last 50: {means}"
