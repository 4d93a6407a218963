"""A quiet import of both frameworks in the order that works, and clear errors where none does."""

import contextlib
import importlib.util
import os
import platform
import sys
import tempfile

LIBRARIES = ("torch", "torchvision", "tensorflow", "keras")
SUPPORTED = (
    "The course runs with Python 3.11 to 3.13 on Linux (x86-64 and arm64), Windows (x86-64) and "
    'macOS (Apple chips; no Intel Mac). README\'s section "Install" has the commands.'
)
RESTART = "Restart the kernel (menu Kernel > Restart Kernel) and run the set-up cell first"
_cut_short = None  # What ended an import of the frameworks in this process, if one was cut short.


def refuse_what_cannot_work():
    """Raise one clear error where an import of both frameworks would fail now or crash later.

    Raises
    ------
    ImportError
        If a library is missing; it says where the course runs.
    RuntimeError
        If the kernel must be restarted first.
    """
    _refuse_missing_libraries()
    _refuse_half_imports()
    _refuse_unsafe_import_order()


def import_frameworks():
    """Import PyTorch, TensorFlow and Keras in the order that works, and return them."""
    global _cut_short
    try:
        # The order matters: torch imports triton late, and triton imported after TensorFlow is a
        # segmentation fault. torchvision makes torch import it now.
        import torch
        import torchvision  # noqa: F401
        import tensorflow as tf  # isort: skip
        import keras
    except BaseException as error:  # A Ctrl-C, too, leaves modules that cannot be imported again.
        _cut_short = f"{type(error).__name__}: {error}".rstrip(": ")
        raise
    return torch, tf, keras


def _refuse_missing_libraries():
    missing = [
        name
        for name in LIBRARIES
        if name not in sys.modules and importlib.util.find_spec(name) is None
    ]
    if missing:
        raise ImportError(
            f"Not installed: {', '.join(missing)}. This is Python "
            f"{platform.python_version()} on {platform.system()} {platform.machine()}. {SUPPORTED}"
        )


def _refuse_half_imports():
    # Python drops a package whose import failed, but keeps the parts that it had imported by then.
    half = [
        name
        for name in LIBRARIES
        if name not in sys.modules and any(part.startswith(f"{name}.") for part in sys.modules)
    ]
    if half or _cut_short:
        which = ", ".join(half) or "the frameworks"
        why = f" ({_cut_short})" if _cut_short else ""
        raise RuntimeError(
            f"An earlier import of {which} was interrupted or failed in this kernel{why}, and no "
            f"framework can be imported twice. {RESTART}."
        )


def _refuse_unsafe_import_order():
    triton_comes_late = (
        "tensorflow" in sys.modules
        and "triton" not in sys.modules
        and importlib.util.find_spec("triton") is not None
    )
    if triton_comes_late:
        raise RuntimeError(
            "TensorFlow was imported before setup(). With this build of PyTorch the kernel would "
            f"crash at the first optimiser. {RESTART}: setup() imports both frameworks in the "
            "order that works."
        )


def refuse_another_backend(keras):
    """Raise a RuntimeError if Keras runs on another backend than TensorFlow."""
    if (backend := keras.config.backend()) != "tensorflow":
        raise RuntimeError(
            f"Keras was imported before setup() and runs on its backend {backend!r}; the course's "
            f"models need TensorFlow. {RESTART}: setup() then chooses TensorFlow, whatever the "
            "environment variable KERAS_BACKEND or the file ~/.keras/keras.json says."
        )


@contextlib.contextmanager
def quiet():
    """Catch what C++ libraries write to file descriptor 2; show it only if the import fails."""
    with _caught_stderr() as printed:
        try:
            yield
        except Exception as error:
            raise ImportError(
                f"A framework could not be imported: {error}. Install again and restart the "
                f"kernel. {SUPPORTED} It printed:\n{printed()}"
            ) from error


@contextlib.contextmanager
def _caught_stderr():
    _flush_stderr()
    try:
        saved = os.dup(2)
    except OSError:  # No stderr at all, as under nbval: nothing can reach the cell.
        yield lambda: "(nothing: there is no standard error)"
        return
    with tempfile.TemporaryFile() as caught:

        def printed():
            caught.seek(0)
            return caught.read().decode(errors="replace").strip()

        os.dup2(caught.fileno(), 2)
        try:
            yield printed
        finally:
            _flush_stderr()
            os.dup2(saved, 2)
            os.close(saved)


def _flush_stderr():
    # It is None under pythonw and some servers, and may be closed.
    with contextlib.suppress(AttributeError, ValueError, OSError):
        sys.stderr.flush()
