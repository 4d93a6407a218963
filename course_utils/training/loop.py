"""One training loop for both frameworks around the notebook's own step function."""

import math
import os
import sys
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file
from tqdm import tqdm


@dataclass
class History:
    """What happened in a training.

    Attributes
    ----------
    values : dict of str to list of float
        One list for each name that the step function returned, one value a step.
    snapshots : list of numpy.ndarray
        What the snapshot function returned at each moment.
    snapshot_steps : list of int
        After how many steps each snapshot was taken.
    stopped : str
        Empty after a complete run, else why it ended early.
    """

    values: dict = field(default_factory=dict)
    snapshots: list = field(default_factory=list)
    snapshot_steps: list = field(default_factory=list)
    stopped: str = ""

    @property
    def steps(self):
        """How many steps were taken."""
        return max(map(len, self.values.values()), default=0)

    def __getitem__(self, name):
        return np.array(self.values[name])

    def mean(self, name, last=50):
        """Mean of a recorded value over the last steps."""
        return float(np.mean(self.values[name][-last:]))

    def __repr__(self):
        recorded = ", ".join(self.values) or "nothing"
        return f"History of {self.steps} steps: {recorded}; {len(self.snapshots)} snapshots"


class NonFiniteError(FloatingPointError):
    """A step returned NaN or infinity. ``history`` holds what was recorded until then."""

    def __init__(self, message, history):
        super().__init__(message)
        self.history = history


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
):
    """Call a step function on batch after batch, with a progress bar and a history.

    Parameters
    ----------
    step : callable
        ``step(batch)``, or ``step(images, labels)`` where the batches are pairs; takes the D-step
        and the G-step and returns a dict of scalars, such as ``{"d_loss": ..., "g_loss": ...}``.
    batches : iterable
        Yields what the step takes, endlessly.
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

    Returns
    -------
    History
        Complete, or cut short by an interrupt, which keeps the weights as they are.

    Raises
    ------
    NonFiniteError
        If a step returns NaN or infinity; names the step and the value, and carries the history.
    ValueError
        If arguments do not fit, the batches end too soon, or the checkpoint is of other models.
    OSError
        If the checkpoint cannot be read.
    """
    if not isinstance(steps, (int, np.integer)) or steps < 1:
        raise ValueError(f"steps must be a whole number from 1, but got {steps!r}.")
    if snapshot is not None and moments < 2:
        raise ValueError(
            f"moments must be at least 2, the first and the last, but got {moments!r}."
        )
    if (checkpoint is None) != (state is None):
        raise ValueError("checkpoint= and state= belong together: where to save, and what.")
    history = History()
    if checkpoint is not None and _checkpoint_path(checkpoint).exists():
        history = load_checkpoint(checkpoint, state)
        if hasattr(batches, "position"):
            batches.position = history.steps
    when = (
        set(np.linspace(0, steps, moments).round().astype(int)) if snapshot is not None else set()
    )

    def take_snapshot():
        if history.steps in when and history.steps not in history.snapshot_steps:
            history.snapshots.append(_to_numpy(snapshot()))
            history.snapshot_steps.append(history.steps)

    bar = tqdm(
        total=steps, initial=history.steps, desc=name, unit="step", file=sys.stdout, ncols=100
    )
    saved = history.steps
    stream = iter(batches)
    try:
        take_snapshot()
        while history.steps < steps:
            try:
                batch = next(stream)
            except StopIteration:
                raise ValueError(
                    f"{name}: the batches ended after {history.steps} of {steps} steps. Pass an "
                    "endless stream, such as image_set.batches(...) or itertools.repeat(None)."
                ) from None
            record = step(*batch) if isinstance(batch, tuple) else step(batch)
            _append(history, record, name)
            take_snapshot()
            if bar.update():  # True when the bar is due to be drawn again.
                bar.set_postfix_str(_postfix(history), refresh=False)
            if checkpoint is not None and history.steps % checkpoint_every == 0:
                save_checkpoint(checkpoint, state, history)
                saved = history.steps
    except KeyboardInterrupt:
        history.stopped = f"interrupted after step {history.steps}"
    finally:
        bar.set_postfix_str(_postfix(history), refresh=True)
        bar.close()
    if checkpoint is not None and saved < history.steps:
        save_checkpoint(checkpoint, state, history)
    print(_summary(name, history))
    return history


def _append(history, record, name):
    """Record one step; refuse values that are not finite before they are recorded."""
    if not isinstance(record, dict) or not record:
        raise ValueError(
            "The step function must return a dict of scalars, such as "
            f"{{'d_loss': d_loss, 'g_loss': g_loss}}, but returned {type(record).__name__}."
        )
    # float() waits for the accelerator; so does everyone who wants to stop at the first NaN.
    scalars = {
        key: float(value.detach() if hasattr(value, "detach") else value)
        for key, value in record.items()
    }
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


def _postfix(history):
    return ", ".join(f"{key} {values[-1]:.2f}" for key, values in history.values.items())


def _summary(name, history):
    means = ", ".join(f"{key} {history.mean(key):.3f}" for key in history.values)
    end = f" ({history.stopped}; call train again to go on)" if history.stopped else ""
    return f"{name}: {history.steps} steps{end}; mean of the last 50: {means}"


def _to_numpy(samples):
    if hasattr(samples, "detach"):
        samples = samples.detach().cpu()
    return np.asarray(samples).copy()


def _checkpoint_path(path):
    path = Path(path)
    if path.suffix != ".safetensors":
        raise ValueError(f"A checkpoint's name must end in .safetensors, but got {path.name!r}.")
    return path


def save_checkpoint(path, state, history=None):
    """Write models, optimisers and history to one safetensors file.

    The file is written under a temporary name and moved into place: whenever the process is
    killed, the last whole checkpoint remains.

    Parameters
    ----------
    path : path
        File name, ending in ``.safetensors``.
    state : dict of str to object
        As in :func:`train`.
    history : History, optional
        Losses and snapshots so far.
    """
    path = _checkpoint_path(path)
    arrays = {
        f"state/{name}/{key}": np.array(array, order="C")
        for name, thing in state.items()
        for key, array in _get_arrays(name, thing).items()
    }
    if history is not None:
        arrays |= {f"values/{key}": np.array(v, np.float64) for key, v in history.values.items()}
        arrays["snapshot_steps"] = np.array(history.snapshot_steps, np.int64)
        arrays |= {
            f"snapshots/{index}": np.array(snapshot, order="C")
            for index, snapshot in enumerate(history.snapshots)
        }
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        save_file(arrays, temporary)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def load_checkpoint(path, state):
    """Load what :func:`save_checkpoint` wrote into the models, and return the history.

    Nothing is changed unless everything in the file fits.

    Parameters
    ----------
    path : path
        The file.
    state : dict of str to object
        The same names and architectures as when it was saved.

    Returns
    -------
    History
        Losses and snapshots until the checkpoint.

    Raises
    ------
    OSError
        If the file is missing or damaged.
    ValueError
        If a name, a shape or a layer does not fit; names it.
    """
    try:
        with safe_open(path, framework="numpy") as file:
            arrays = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise OSError(f"{path} is missing or no whole checkpoint ({error}).") from error
    parts = {}
    for name, thing in state.items():
        prefix = f"state/{name}/"
        parts[name] = {k.removeprefix(prefix): v for k, v in arrays.items() if k.startswith(prefix)}
        _check_fit(path, name, thing, parts[name])
    for name, thing in state.items():
        _set_arrays(thing, parts[name])
    history = History(snapshot_steps=[int(s) for s in arrays.get("snapshot_steps", [])])
    history.snapshots = [arrays[f"snapshots/{i}"] for i in range(len(history.snapshot_steps))]
    history.values = {
        key.removeprefix("values/"): list(map(float, array))
        for key, array in arrays.items()
        if key.startswith("values/")
    }
    return history


def _check_fit(path, name, thing, saved):
    if not saved:
        raise ValueError(f"{path} holds nothing called {name!r}.")
    then = {key: array.shape for key, array in saved.items() if key != "empty"}
    if hasattr(thing, "param_groups"):
        now = _slot_shapes(thing, then)
    else:
        now = {k: a.shape for k, a in _get_arrays(name, thing).items() if k != "empty"}
    if now != then:
        key = next(k for k in {**now, **then} if now.get(k) != then.get(k))
        hint = (
            "" if getattr(thing, "built", True) else " Build it first: optimizer.build(variables)."
        )
        raise ValueError(
            f"{path} does not fit {name!r}: {key} has shape {then.get(key, 'missing')} in the file "
            f"and {now.get(key, 'missing')} in the model.{hint}"
        )


def _slot_shapes(optimizer, saved_shapes):
    """Shapes that a PyTorch optimiser's slots will have; they do not exist before its first step.

    A slot is a scalar, such as a count of steps, or has the shape of its parameter.
    """
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    shapes = {str(index): tuple(p.shape) for index, p in enumerate(parameters)}
    return {
        key: shape if shape == () else shapes[key.partition("/")[0]]
        for key, shape in saved_shapes.items()
        if key.partition("/")[0] in shapes
    }


def _get_arrays(name, thing):
    """Flatten a framework object to named arrays."""
    if hasattr(thing, "param_groups"):  # A PyTorch optimiser.
        return {
            f"{index}/{key}": np.asarray(value)
            for index, slots in thing.state_dict()["state"].items()
            for key, value in slots.items()
        } or {"empty": np.zeros(1)}
    if hasattr(thing, "state_dict"):
        return {key: value.detach().cpu().numpy() for key, value in thing.state_dict().items()}
    if hasattr(thing, "get_state"):  # A torch.Generator.
        return {"generator": thing.get_state().numpy()}
    variables = _keras_variables(thing)
    if variables is None:
        raise ValueError(
            f"Cannot save {name!r} of type {type(thing).__name__}: expected a PyTorch module, "
            "optimiser or generator, or a Keras model or optimiser, tf.Variable or tf Generator."
        )
    return {f"{index}": np.asarray(variable) for index, variable in enumerate(variables)} or {
        "empty": np.zeros(1)
    }


def _keras_variables(thing):
    if hasattr(thing, "variables"):  # Of a model: its weights, and the state of its dropout.
        return thing.variables
    if hasattr(thing, "state") and hasattr(thing, "algorithm"):  # A tf.random.Generator.
        return [thing.state]
    return [thing] if hasattr(thing, "assign") else None


def _set_arrays(thing, arrays):
    if hasattr(thing, "param_groups"):
        import torch

        slots = {}
        for path, array in arrays.items():
            if path != "empty":
                index, key = path.split("/")
                slots.setdefault(int(index), {})[key] = torch.from_numpy(array.copy())
        thing.load_state_dict({"state": slots, "param_groups": thing.state_dict()["param_groups"]})
    elif hasattr(thing, "state_dict"):
        import torch

        thing.load_state_dict({k: torch.from_numpy(v.copy()) for k, v in arrays.items()})
    elif hasattr(thing, "get_state"):
        import torch

        thing.set_state(torch.from_numpy(arrays["generator"].copy()))
    else:
        for index, variable in enumerate(_keras_variables(thing)):
            variable.assign(arrays[str(index)])
