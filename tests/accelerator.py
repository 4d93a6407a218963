"""A stand-in for an accelerator, so that a machine without one finds code that mixes devices.

PyTorch's ``meta`` device refuses an operator that gets tensors of two devices, but holds no values.
Here a tensor on it holds some: it is a wrapper around a tensor of the CPU, says that it is on
``meta``, and every operator is held to the rules of CUDA and MPS before it computes below:

* all tensors of an operator are on one device, save 0-dimensional ones of the CPU in arithmetic,
  indices of the CPU, and copies from one device to another;
* a generator of random numbers is of the device that draws;
* there is no float64, as on Apple chips;
* NumPy gets nothing without ``.cpu()``.

``install()`` switches it on for the rest of the process. Made for tests alone: slow, and not more
faithful than these rules.
"""

import contextlib
import dataclasses
import warnings

import torch
from torch.overrides import TorchFunctionMode
from torch.utils import _pytree as pytree
from torch.utils._python_dispatch import TorchDispatchMode, return_and_correct_aliasing

DEVICE = torch.device("meta")
aten = torch.ops.aten
COPIES = {aten._to_copy, aten.copy_, aten.copy, aten._copy_from}
INDEXED = {aten.index, aten.index_put, aten.index_put_, aten._unsafe_index, aten._index_put_impl_}
# On `meta` these skip the values, so they are made on the CPU and moved.
FROM_VALUES = {torch.tensor, torch.as_tensor, torch.asarray}
TO_NUMPY = {torch.Tensor.numpy, torch.Tensor.__array__}
AS_PYTHON = {torch.Tensor.tolist, torch.Tensor.__format__}
_kept = contextlib.ExitStack()


class OnDevice(torch.Tensor):
    """A tensor that says it is on the device; ``values`` holds its numbers on the CPU."""

    @staticmethod
    def __new__(cls, values):
        """Wrap a tensor of the CPU."""
        if values.dtype in (torch.float64, torch.complex128):
            raise TypeError("The device has no float64: convert to float32 before you move it.")
        return torch.Tensor._make_wrapper_subclass(
            cls,
            values.shape,
            strides=values.stride(),
            storage_offset=values.storage_offset(),
            dtype=values.dtype,
            device=DEVICE,
        )

    def __init__(self, values):
        self.values = values

    # With these two, Module.to() swaps a parameter in place: an optimiser that holds it keeps it,
    # as on CUDA.
    def __tensor_flatten__(self):
        """Name the tensors within."""
        return ["values"], None

    @staticmethod
    def __tensor_unflatten__(inner, _context, _size, _stride):
        """Put a tensor together again."""
        return OnDevice(inner["values"])

    @classmethod
    def __torch_dispatch__(cls, func, types, args=(), kwargs=None):
        """Apply an operator when no mode does, as in a hook."""
        return _apply(func, args, kwargs or {})

    def __repr__(self, **_options):
        """Show the values and where they claim to be."""
        return f"OnDevice({self.values!r})"


class _Operators(TorchDispatchMode):
    """See every operator, those of autograd and optimisers too."""

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        return _apply(func, args, kwargs or {})


class _Borders(TorchFunctionMode):
    """Guard the ways in and out that are no operators."""

    def __torch_function__(self, func, types, args=(), kwargs=None):
        kwargs = dict(kwargs or {})
        if func in TO_NUMPY and isinstance(args[0], OnDevice):
            raise TypeError(
                "can't convert a tensor on the device to numpy. Use Tensor.cpu() to copy the "
                "tensor to host memory first."
            )
        if func in AS_PYTHON and isinstance(args[0], OnDevice):
            return func(args[0].cpu(), *args[1:], **kwargs)
        if func in FROM_VALUES and _is_device(kwargs.get("device")):
            del kwargs["device"]
            return func(*args, **kwargs).to(DEVICE)
        return func(*args, **kwargs)


@contextlib.contextmanager
def active():
    """Have the device while the context lasts."""
    with warnings.catch_warnings(), _Borders(), _Operators():
        # True of `meta`, not here: the values are copied.
        warnings.filterwarnings("ignore", ".*non-meta parameter in the checkpoint")
        yield DEVICE


def install():
    """Let this process have the device to its end, and ``course_utils.setup`` find it."""
    import course_utils

    _kept.enter_context(active())
    plain_setup = course_utils.setup

    def setup(*args, **kwargs):
        return dataclasses.replace(plain_setup(*args, **kwargs), torch_device=DEVICE)

    course_utils.setup = setup


def _is_device(device):
    return device is not None and torch.device(device).type == DEVICE.type


def _apply(func, args, kwargs):
    """Hold an operator to the rules, compute it on the CPU, and wrap what it returns."""
    asked = kwargs.get("device")
    if not (_is_device(asked) or _has_wrapped(args) or _has_wrapped(kwargs.values())):
        return func(*args, **kwargs)
    leaves = pytree.tree_leaves((args, kwargs))
    tensors = [leaf for leaf in leaves if isinstance(leaf, torch.Tensor)]
    wrapped = any(isinstance(tensor, OnDevice) for tensor in tensors)
    to_device = _is_device(asked) if asked is not None else wrapped
    if wrapped:
        _refuse_mixed(func, args, tensors)
    generators = [leaf for leaf in leaves if isinstance(leaf, torch.Generator)]
    if to_device and any(generator.device != DEVICE for generator in generators):
        raise RuntimeError(f"{func}: expected a generator of the device, but got one of the CPU.")

    inner_args, inner_kwargs = pytree.tree_map_only(OnDevice, _values, (args, kwargs))
    if _is_device(asked):
        inner_kwargs["device"] = torch.device("cpu")
    result = func(*inner_args, **inner_kwargs)
    if func.overloadpacket is aten.copy_:
        return args[0]
    if to_device:
        result = pytree.tree_map_only(torch.Tensor, OnDevice, result)
    moves = func.overloadpacket is aten._to_copy
    return result if moves else return_and_correct_aliasing(func, args, kwargs, result)


def _has_wrapped(values):
    """Say whether a tensor of the device is among the values or in a list of them; be quick."""
    return any(
        isinstance(value, OnDevice)
        or (isinstance(value, (list, tuple)) and any(isinstance(v, OnDevice) for v in value))
        for value in values
    )


def _values(tensor):
    return tensor.values


def _refuse_mixed(func, args, tensors):
    """Raise as CUDA does when an operator gets tensors of two devices that it does not take."""
    operator = func.overloadpacket
    if operator in COPIES:
        return
    strangers = [t for t in tensors if not isinstance(t, OnDevice)]
    if operator in INDEXED and isinstance(args[0], OnDevice):
        indices = [index for index in args[1] if index is not None]
        strangers = [t for t in strangers if not any(t is index for index in indices)]
        scalars_pass = True
    else:
        scalars_pass = torch.Tag.pointwise in func.tags
    if scalars_pass:  # To read, not to write into.
        written = args[0] if func._schema.is_mutable else None
        strangers = [t for t in strangers if t.dim() > 0 or t is written]
    if strangers:
        raise RuntimeError(
            f"{func}: expected all tensors to be on the same device, but one of shape "
            f"{tuple(strangers[0].shape)} is on the CPU, another on the accelerator."
        )
