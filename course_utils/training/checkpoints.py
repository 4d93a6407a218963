"""Checkpoints: one safetensors file, written whole or not at all."""

import os
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from .history import History
from .states import get_arrays, set_arrays, slot_shapes


def checkpoint_path(path):
    """Return the path of a checkpoint; refuse a name that does not say its format."""
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
    path = checkpoint_path(path)
    arrays = {
        f"state/{name}/{key}": np.array(array, order="C")
        for name, thing in state.items()
        for key, array in get_arrays(name, thing).items()
    }
    if history is not None:
        arrays |= {f"values/{key}": np.array(v, np.float64) for key, v in history.values.items()}
        arrays["steps"] = np.array(history.steps, np.int64)
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
        set_arrays(thing, parts[name])
    history = History(snapshot_steps=[int(s) for s in arrays.get("snapshot_steps", [])])
    history.snapshots = [arrays[f"snapshots/{i}"] for i in range(len(history.snapshot_steps))]
    history.steps = int(arrays.get("steps", 0))
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
        now = slot_shapes(thing, then)
    else:
        now = {k: a.shape for k, a in get_arrays(name, thing).items() if k != "empty"}
    if now != then:
        key = next(k for k in {**now, **then} if now.get(k) != then.get(k))
        hint = (
            "" if getattr(thing, "built", True) else " Build it first: optimizer.build(variables)."
        )
        raise ValueError(
            f"{path} does not fit {name!r}: {key} has shape {then.get(key, 'missing')} in the file "
            f"and {now.get(key, 'missing')} in the model.{hint}"
        )
