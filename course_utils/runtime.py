"""What each framework sees of this machine, and a quiet import of both in the order that works."""

import contextlib
import importlib.util
import os
import random
import sys
import tempfile
from dataclasses import dataclass
from html import escape

import numpy as np
import psutil
from IPython.display import display


@dataclass(frozen=True)
class FrameworkInfo:
    """One row of the device table: a framework, and what it sees of this machine."""

    framework: str
    version: str
    device: str
    threads: int
    memory: str


@dataclass(frozen=True)
class Runtime:
    """What :func:`setup` found.

    Attributes
    ----------
    seed : int
        The seed that NumPy, PyTorch and TensorFlow were given.
    torch_device : torch.device
        Where PyTorch models and batches live: ``cuda``, ``mps`` or ``cpu``.
    tf_device : str
        The same for TensorFlow, a name for ``tf.device(...)``: ``"/GPU:0"`` or ``"/CPU:0"``.
    frameworks : tuple of FrameworkInfo
        One row for PyTorch, one for TensorFlow.
    """

    seed: int
    torch_device: object
    tf_device: str
    frameworks: tuple

    @property
    def note(self):
        """One sentence on how well the two frameworks' devices match."""
        accelerated = [row.framework for row in self.frameworks if row.device != "CPU"]
        if not accelerated:
            return "No GPU is needed: every chapter is sized for two CPU cores."
        if len(accelerated) == len(self.frameworks):
            return "Both frameworks train on the accelerator."
        return (
            f"Only {accelerated[0]} sees the accelerator; the other framework trains on the CPU. "
            "The results agree, the speeds do not."
        )

    def __repr__(self):
        versions = ", ".join(f"{row.framework} {row.version}" for row in self.frameworks)
        return f"Ready: {versions}, seed {self.seed}."

    def _repr_html_(self):
        # Cells of class "machine" differ from one computer to the next; tests/sanitize.cfg
        # blanks exactly these before nbval compares.
        head = "".join(
            f"<th>{title}</th>"
            for title in ("framework", "version", "trains on", "CPU threads", "memory")
        )
        body = "".join(
            f"<tr><td>{escape(row.framework)}</td><td>{escape(row.version)}</td>"
            + "".join(
                f'<td class="machine">{escape(str(value))}</td>'
                for value in (row.device, row.threads, row.memory)
            )
            + "</tr>"
            for row in self.frameworks
        )
        return (
            f"<table><tr>{head}</tr>{body}"
            f'<tr><td class="machine" colspan="5">{escape(self.note)}</td></tr></table>'
        )


def setup(seed=0):
    """Import both frameworks quietly, seed everything, choose a device for each and show a table.

    Call it first in a notebook, before any other import of TensorFlow. TensorFlow is told to take
    GPU memory as it needs it instead of all at once, so that both frameworks fit on one card.

    Parameters
    ----------
    seed : int, optional
        Seed for Python, NumPy, PyTorch and TensorFlow, from 0 to 2**32 - 1.

    Returns
    -------
    Runtime
        Devices and versions, also displayed as a table.

    Raises
    ------
    RuntimeError
        If TensorFlow was imported first in a way that would crash the kernel later.
    ImportError
        If a framework is missing or broken, with what it printed.
    ValueError
        If the seed is not a whole number in range.
    """
    if isinstance(seed, bool) or not isinstance(seed, (int, np.integer)) or not 0 <= seed < 2**32:
        raise ValueError(f"seed must be a whole number from 0 to 2**32 - 1, but got {seed!r}.")
    seed = int(seed)  # Python's random refuses NumPy's integers.
    _refuse_unsafe_import_order()
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    os.environ["KERAS_BACKEND"] = "tensorflow"
    with _quiet():
        # The order matters: torch imports triton late, and triton imported after TensorFlow is a
        # segmentation fault. torchvision makes torch import it now.
        import torch
        import torchvision  # noqa: F401
        import tensorflow as tf  # isort: skip

        _claim_gpus(tf)
        tf.constant(0.0)  # Starts TensorFlow's runtime while its log lines are still caught.

    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)
    tf.keras.utils.set_random_seed(seed)
    torch_device, torch_info = _inspect_torch(torch)
    tf_device, tf_info = _inspect_tensorflow(tf)
    _style_figures()
    runtime = Runtime(seed, torch_device, tf_device, (torch_info, tf_info))
    display(runtime)
    return runtime


def _refuse_unsafe_import_order():
    triton_comes_late = (
        "tensorflow" in sys.modules
        and "triton" not in sys.modules
        and importlib.util.find_spec("triton") is not None
    )
    if triton_comes_late:
        raise RuntimeError(
            "TensorFlow was imported before setup(). With this build of PyTorch the kernel would "
            "crash at the first optimiser. Restart the kernel (menu Kernel > Restart Kernel) and "
            "run the set-up cell first: setup() imports both frameworks in the order that works."
        )


@contextlib.contextmanager
def _quiet():
    """Catch what C++ libraries write to file descriptor 2; show it only if the import fails."""
    sys.stderr.flush()
    try:
        saved = os.dup(2)
    except OSError:  # No stderr at all, as under nbval: nothing can reach the cell.
        yield
        return
    with tempfile.TemporaryFile() as caught:
        os.dup2(caught.fileno(), 2)
        try:
            yield
        except Exception as error:
            caught.seek(0)
            printed = caught.read().decode(errors="replace").strip()
            raise ImportError(
                f"A framework could not be imported: {error}. Run the install command of the "
                f"README again. It printed:\n{printed}"
            ) from error
        finally:
            sys.stderr.flush()
            os.dup2(saved, 2)
            os.close(saved)


def _claim_gpus(tf):
    for gpu in tf.config.list_physical_devices("GPU"):
        # TensorFlow refuses this once it runs; then the memory is taken already.
        with contextlib.suppress(RuntimeError):
            tf.config.experimental.set_memory_growth(gpu, True)


def _inspect_torch(torch):
    if torch.cuda.is_available():
        properties = torch.cuda.get_device_properties(0)
        device, name, memory = "cuda", properties.name, _gigabytes(properties.total_memory)
    elif torch.backends.mps.is_available():
        device, name, memory = "mps", "Apple GPU", _main_memory()
    else:
        device, name, memory = "cpu", "CPU", _main_memory()
    version = torch.__version__.partition("+")[0]  # "2.14.1+cu130" names the build, too.
    info = FrameworkInfo("PyTorch", version, name, torch.get_num_threads(), memory)
    return torch.device(device), info


def _inspect_tensorflow(tf):
    threads = tf.config.threading.get_intra_op_parallelism_threads() or os.cpu_count()
    gpus = tf.config.list_physical_devices("GPU")
    if gpus:
        details = tf.config.experimental.get_device_details(gpus[0])
        device, name, memory = "/GPU:0", details.get("device_name", "GPU"), "grows as needed"
    else:
        device, name, memory = "/CPU:0", "CPU", _main_memory()
    return device, FrameworkInfo("TensorFlow", tf.__version__, name, threads, memory)


def _main_memory():
    return _gigabytes(psutil.virtual_memory().total)


def _gigabytes(count):
    return f"{count / 2**30:.0f} GB"


def _style_figures():
    """Opaque, so that figures read the same on JupyterLab's light and dark themes."""
    import matplotlib

    matplotlib.rcParams.update(
        {
            "figure.facecolor": "white",
            "savefig.facecolor": "white",
            "axes.facecolor": "white",
            "figure.dpi": 100,
            "axes.grid": True,
            "grid.alpha": 0.3,
            "axes.spines.top": False,
            "axes.spines.right": False,
            "image.cmap": "gray",
        }
    )
