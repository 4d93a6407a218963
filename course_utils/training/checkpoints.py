"""Checkpoints: one safetensors file, written whole or not at all, read whole or not at all."""

import json
import os
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from ..refusals import check_kind, check_named
from . import states
from .history import History, NonFiniteError

FORMAT = "gan-course 2"


class CheckpointError(OSError):
    """A checkpoint could not be written. ``history`` holds what was recorded until then."""

    def __init__(self, message, history):
        super().__init__(message)
        self.history = history


def checkpoint_path(path):
    """Return the path of a checkpoint; refuse a name that does not say its format."""
    path = _as_path(path)
    if path.suffix != ".safetensors":
        raise ValueError(f"A checkpoint's name must end in .safetensors, but got {path.name!r}.")
    return path


def _as_path(path):
    if not isinstance(path, (str, os.PathLike)):
        raise ValueError(f"path must be the path of a checkpoint, but got {path!r}.")
    return Path(path).expanduser()


def check_state(state):
    """Refuse what is no dict of names to objects; a slash parts the names in the file."""
    check_named("state", state, "object")
    for name in state:
        if "/" in name:
            raise ValueError(f"A name in state must hold no slash, but got {name!r}.")


def save_checkpoint(path, state, history=None):
    """Write models, optimisers, streams and history to one safetensors file.

    The file appears whole: whenever the process is killed, the last whole checkpoint remains.

    Parameters
    ----------
    path : path
        File name, ending in ``.safetensors``.
    state : dict of str to object
        As in :func:`train`.
    history : History, optional
        Losses and snapshots so far.

    Raises
    ------
    CheckpointError
        An ``OSError`` for a full disk or a folder that cannot be written.
    NonFiniteError
        If an array holds NaN or infinity: the last good checkpoint stays.
    ValueError
        If something in ``state`` cannot be saved; names it.
    """
    path = checkpoint_path(path)
    check_state(state)
    arrays, settings = {}, {"steps": 0, "state": {}}
    for name, thing in state.items():
        captured, settings["state"][name] = states.capture(name, thing)
        for key, array in captured.items():
            if array.dtype.kind == "f" and not np.isfinite(array).all():
                raise NonFiniteError(
                    f"{name!r} holds values that are not finite ({key}); {path.name} stays as it "
                    "was.",
                    history,
                )
            arrays[f"state/{name}/{key}"] = array
    if history is not None:
        check_kind("history", history, ("values", "snapshots"), "what train(...) returned")
        settings |= {
            "steps": history.steps,
            "snapshot_steps": list(map(int, history.snapshot_steps)),
            "values": list(history.values),  # The file holds arrays in an order of its own.
        }
        arrays |= {f"values/{key}": _floats(key, v) for key, v in history.values.items()}
        for index, snapshot in enumerate(history.snapshots):
            arrays[f"snapshots/{index}"] = np.array(snapshot, order="C")
        _refuse_what_cannot_be_read(path, arrays, settings, history)
    metadata = {"format": FORMAT, "settings": json.dumps(settings)}
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        save_file(arrays, path, metadata)  # Writes beside the file and moves into place.
    except (SafetensorError, OSError) as error:
        raise CheckpointError(
            f"{path} could not be written ({error}). What was trained is still in memory; the "
            "history is in the exception's `history`.",
            history,
        ) from error


def _floats(key, values):
    try:
        return np.array(values, np.float64)
    except (TypeError, ValueError, OverflowError) as error:
        raise ValueError(f"The history's values of {key!r} must be numbers ({error}).") from None


def _refuse_what_cannot_be_read(path, arrays, settings, history):
    """Refuse a history that :func:`load_checkpoint` would: the file would be lost."""
    for key, array in arrays.items():
        if array.dtype.kind not in "biuf":
            raise ValueError(f"The history's {key} must be numbers, but is {array.dtype}.")
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            raise NonFiniteError(
                f"The history holds values that are not finite ({key}); {path.name} stays as it "
                "was.",
                history,
            )
    _history(path, arrays, settings)


def load_checkpoint(path, state):
    """Load what :func:`save_checkpoint` wrote into the models, and return the history.

    Nothing is changed unless everything in the file fits.

    Parameters
    ----------
    path : path
        The file.
    state : dict of str to object
        The same names, architectures and optimisers as when it was saved.

    Returns
    -------
    History
        Losses and snapshots until the checkpoint.

    Raises
    ------
    OSError
        If the file is missing or damaged.
    ValueError
        If it is of another version, a name, a shape or an optimiser does not fit, an array holds
        NaN, or the history is broken.
    """
    path = _as_path(path)
    check_state(state)
    arrays, settings = _read(path)
    history = _history(path, arrays, settings)
    for name in state:
        if name not in settings["state"]:
            raise ValueError(f"{path} holds nothing called {name!r}.")
    before = {name: states.capture(name, thing) for name, thing in state.items()}
    saved = {}
    for name, thing in state.items():
        prefix = f"state/{name}/"
        saved[name] = (
            {k.removeprefix(prefix): v for k, v in arrays.items() if k.startswith(prefix)},
            settings["state"][name],
        )
        try:
            states.check(name, thing, *saved[name])
        except ValueError as error:
            raise ValueError(f"{path}: {error}.") from None
    try:
        for name, thing in state.items():
            states.restore(name, thing, *saved[name])
    except Exception as error:  # Settings that are right in form and wrong in content.
        for name, thing in state.items():
            states.restore(name, thing, *before[name])
        raise ValueError(f"{path} does not fit ({error}).") from error
    return history


def _read(path):
    """Return the arrays and the settings of a file."""
    try:
        with safe_open(path, framework="numpy") as file:
            metadata = file.metadata() or {}
            arrays = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise OSError(f"{path} is missing or no whole checkpoint ({error}).") from error
    if metadata.get("format") != FORMAT:
        raise ValueError(
            f"{path} is of the version {metadata.get('format')!r}, not {FORMAT!r}. Train anew."
        )
    for key, array in arrays.items():
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            raise ValueError(f"{path} holds values that are not finite: {key}.")
    try:
        settings = json.loads(metadata["settings"])
        assert all(isinstance(part, dict) for part in settings["state"].values())
    except (KeyError, TypeError, AttributeError, AssertionError, ValueError) as error:
        raise ValueError(f"{path} has broken settings ({error!r}).") from error
    return arrays, settings


def _history(path, arrays, settings):
    """Return the history, whose parts must fit each other."""
    history = History(steps=settings.get("steps"))
    history.snapshot_steps = settings.get("snapshot_steps", [])
    found = [key for key in arrays if key.startswith("snapshots/")]
    values = [key.removeprefix("values/") for key in arrays if key.startswith("values/")]
    names = settings.get("values", [])
    if not isinstance(names, list) or sorted(map(str, names)) != sorted(values):
        raise ValueError(f"{path} has a broken history.")
    history.values = {name: arrays[f"values/{name}"].tolist() for name in names}
    sound = (
        type(history.steps) is int
        and isinstance(history.snapshot_steps, list)
        and set(found) == {f"snapshots/{i}" for i in range(len(history.snapshot_steps))}
        and all(type(s) is int and 0 <= s <= history.steps for s in history.snapshot_steps)
        and all(isinstance(v, list) and len(v) <= history.steps for v in history.values.values())
    )
    if not sound:
        raise ValueError(f"{path} has a broken history.")
    history.snapshots = [arrays[f"snapshots/{i}"] for i in range(len(found))]
    return history
