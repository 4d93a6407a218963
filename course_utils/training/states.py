"""The state of models, optimisers and generators of both frameworks as named arrays."""

import numpy as np

from ..arrays import to_numpy


def slot_shapes(optimizer, saved_shapes):
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


def get_arrays(name, thing):
    """Flatten a framework object to named arrays."""
    if hasattr(thing, "param_groups"):  # A PyTorch optimiser.
        return {
            f"{index}/{key}": to_numpy(value)
            for index, slots in thing.state_dict()["state"].items()
            for key, value in slots.items()
        } or {"empty": np.zeros(1)}
    if hasattr(thing, "state_dict"):
        return {key: to_numpy(value) for key, value in thing.state_dict().items()}
    if hasattr(thing, "get_state"):  # A torch.Generator.
        return {"generator": to_numpy(thing.get_state())}
    variables = _keras_variables(thing)
    if variables is None:
        raise ValueError(
            f"Cannot save {name!r} of type {type(thing).__name__}: expected a PyTorch module, "
            "optimiser or generator, or a Keras model or optimiser, tf.Variable or tf Generator."
        )
    return {f"{index}": to_numpy(variable) for index, variable in enumerate(variables)} or {
        "empty": np.zeros(1)
    }


def _keras_variables(thing):
    if hasattr(thing, "variables"):  # Of a model: its weights, and the state of its dropout.
        return thing.variables
    if hasattr(thing, "state") and hasattr(thing, "algorithm"):  # A tf.random.Generator.
        return [thing.state]
    return [thing] if hasattr(thing, "assign") else None


def set_arrays(thing, arrays):
    """Put arrays that :func:`get_arrays` returned into a framework object."""
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
