"""What a training needs to go on: arrays and settings of the objects of both frameworks.

Arrays are weights, slots of optimisers and the like; settings are everything else that can be
written as JSON: learning rates, counts of schedules, states of random generators, positions.
"""

import json

import numpy as np

from ..arrays import to_numpy

PAIRS = "pairs of key and value"


def capture(name, thing):
    """Return the arrays (dict of str to numpy.ndarray) and the settings (dict) of an object."""
    arrays, settings = _keeper(name, thing).capture(thing)
    # Copies: on the CPU an array shares its memory with the tensor that goes on changing.
    return {key: np.array(array, order="C") for key, array in arrays.items()}, settings


def check(name, thing, arrays, settings):
    """Raise a ``ValueError`` that says why saved arrays and settings do not fit an object."""
    now_arrays, now_settings = capture(name, thing)
    for key in ("kind", "shapes", "config"):
        if settings.get(key) != _plain(now_settings.get(key)):
            raise ValueError(
                f"{name!r} does not fit: its {key} is {settings.get(key)} in the file and "
                f"{_plain(now_settings.get(key))} here"
            )
    if "shapes" in now_settings:
        return  # Of an optimiser whose slots exist only after its first step.
    now = {key: array.shape for key, array in now_arrays.items()}
    then = {key: array.shape for key, array in arrays.items()}
    if now != then:
        key = next(k for k in {**now, **then} if now.get(k) != then.get(k))
        built = getattr(thing, "built", True)
        raise ValueError(
            f"{name!r} does not fit: {key} has shape {then.get(key, 'missing')} in the file and "
            f"{now.get(key, 'missing')} here"
            + ("" if built else "; build it first: optimizer.build(variables)")
        )


def restore(name, thing, arrays, settings):
    """Put what :func:`capture` returned into an object of the same kind."""
    _keeper(name, thing).restore(thing, arrays, settings)


def _kind(thing):
    return f"{type(thing).__module__}.{type(thing).__qualname__}"


def _plain(value):
    """Return a value as it comes back from JSON; keys that are no texts become pairs."""
    if isinstance(value, dict):
        if all(isinstance(key, str) for key in value):
            return {key: _plain(part) for key, part in value.items()}
        return {PAIRS: [[key, _plain(part)] for key, part in value.items()]}
    if isinstance(value, (list, tuple)):
        return [_plain(part) for part in value]
    return json.loads(json.dumps(value, default=lambda x: to_numpy(x).tolist()))


class _TorchOptimizer:
    def fits(self, thing):
        return hasattr(thing, "param_groups")

    def capture(self, thing):
        state = thing.state_dict()
        arrays = {
            f"{index}/{key}": to_numpy(value)
            for index, slots in state["state"].items()
            for key, value in slots.items()
        }
        groups = [{k: v for k, v in g.items() if k != "params"} for g in state["param_groups"]]
        shapes = [[list(p.shape) for p in group["params"]] for group in thing.param_groups]
        return arrays, {"kind": _kind(thing), "shapes": shapes, "groups": _plain(groups)}

    def restore(self, thing, arrays, settings):
        import torch

        slots = {}
        for path, array in arrays.items():
            index, key = path.split("/")
            slots.setdefault(int(index), {})[key] = torch.from_numpy(array.copy())
        groups = thing.state_dict()["param_groups"]
        for group, saved in zip(groups, settings["groups"], strict=True):
            for key, value in saved.items():
                group[key] = _like(group.get(key), value)
        thing.load_state_dict({"state": slots, "param_groups": groups})


class _StateDict:
    """A PyTorch module or schedule."""

    def fits(self, thing):
        return hasattr(thing, "state_dict") and hasattr(thing, "load_state_dict")

    def capture(self, thing):
        arrays, others = {}, {}
        for key, value in thing.state_dict().items():
            if hasattr(value, "detach"):
                arrays[key] = to_numpy(value)
            else:
                others[key] = value
        kind = {} if hasattr(thing, "named_parameters") else {"kind": _kind(thing)}
        return arrays, kind | {"others": _plain(others)}

    def restore(self, thing, arrays, settings):
        import torch

        tensors = {key: torch.from_numpy(array.copy()) for key, array in arrays.items()}
        now = thing.state_dict()
        others = {key: _like(now.get(key), value) for key, value in settings["others"].items()}
        thing.load_state_dict(tensors | others)


class _TorchGenerator:
    def fits(self, thing):
        return hasattr(thing, "get_state") and hasattr(thing, "set_state")

    def capture(self, thing):
        return {"generator": to_numpy(thing.get_state())}, {}

    def restore(self, thing, arrays, settings):
        import torch

        thing.set_state(torch.from_numpy(arrays["generator"].copy()))


class _NumpyGenerator:
    def fits(self, thing):
        return isinstance(thing, np.random.Generator)

    def capture(self, thing):
        state = thing.bit_generator.state
        return {}, {"kind": state["bit_generator"], "generator": _plain(state)}

    def restore(self, thing, arrays, settings):
        thing.bit_generator.state = settings["generator"]


class _Keras:
    """A Keras model or optimiser, a TensorFlow variable or random generator."""

    def fits(self, thing):
        return self._variables(thing) is not None

    def _variables(self, thing):
        if hasattr(thing, "variables"):  # Of a model: its weights, and the state of its dropout.
            return thing.variables
        if hasattr(thing, "state") and hasattr(thing, "algorithm"):  # A tf.random.Generator.
            return [thing.state]
        return [thing] if hasattr(thing, "assign") else None

    def capture(self, thing):
        arrays = {str(i): to_numpy(variable) for i, variable in enumerate(self._variables(thing))}
        if not hasattr(thing, "apply_gradients"):
            return arrays, {}
        config = dict(thing.get_config())
        config.pop("name")  # Counted up in each process.
        if not isinstance(config.get("learning_rate"), dict):
            config.pop("learning_rate", None)  # One of the variables; a schedule is a dict.
        return arrays, {"kind": _kind(thing), "config": _plain(config)}

    def restore(self, thing, arrays, settings):
        for index, variable in enumerate(self._variables(thing)):
            variable.assign(arrays[str(index)])


class _Position:
    """A stream of batches that says how many it gave."""

    def fits(self, thing):
        return hasattr(thing, "position")

    def capture(self, thing):
        return {}, {"position": int(thing.position)}

    def restore(self, thing, arrays, settings):
        thing.position = settings["position"]


KEEPERS = (
    _TorchOptimizer(),
    _StateDict(),
    _TorchGenerator(),
    _NumpyGenerator(),
    _Keras(),
    _Position(),
)


def _keeper(name, thing):
    for keeper in KEEPERS:
        if keeper.fits(thing):
            return keeper
    raise ValueError(
        f"Cannot save {name!r} of type {type(thing).__name__}: expected a PyTorch module, "
        "optimiser, schedule or generator, a Keras model or optimiser, a tf.Variable or tf "
        "Generator, a NumPy generator, or a stream with a position."
    )


def _like(now, saved):
    """Give a value from JSON the type that it has in the object."""
    if isinstance(saved, dict) and PAIRS in saved:
        return type(now)({key: part for key, part in saved[PAIRS]})
    if isinstance(now, tuple):
        return tuple(saved)
    if hasattr(now, "detach"):  # A learning rate may be a tensor.
        return now.new_tensor(saved)
    return saved
