"""The set-up of a notebook: frameworks, seeds, devices, threads, and a table of what was found."""

import contextlib
import os
import random
from dataclasses import dataclass
from html import escape

import numpy as np
from IPython.display import display

from . import imports, machine


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
    pace : float or None
        What the chapters' minutes must be multiplied by on this machine: 2 is half as fast as
        the reference (``machine.REFERENCE``). It was measured in the frameworks that train on the
        CPU; None if none does.
    """

    seed: int
    torch_device: object
    tf_device: str
    frameworks: tuple
    pace: float | None = None

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

    @property
    def minutes(self):
        """One sentence on how long chapters take here."""
        on_cpu = [row.framework for row in self.frameworks if row.device == "CPU"]
        only = on_cpu if len(on_cpu) < len(self.frameworks) else ()
        return machine.describe_pace(self.pace, only)

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
        notes = "".join(
            f'<tr><td class="machine" colspan="5">{escape(note)}</td></tr>'
            for note in (self.note, self.minutes)
        )
        return f"<table><tr>{head}</tr>{body}{notes}</table>"


def setup(seed=0):
    """Import both frameworks quietly, seed everything, choose a device for each and show a table.

    Call it first in a notebook, before any other import of TensorFlow. TensorFlow is told to take
    GPU memory as it needs it instead of all at once, so that both frameworks fit on one card.
    Neither framework takes more threads than this process may use CPUs, unless the environment
    variables ``OMP_NUM_THREADS`` (PyTorch) and ``TF_NUM_INTRAOP_THREADS`` say otherwise. The
    machine is measured in about .2 s, so that the table can say how long chapters take here.

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
        If the kernel must be restarted: TensorFlow was imported first in a way that would crash it
        later, Keras runs on another backend, or an import was interrupted or failed.
    ImportError
        If a framework is missing or broken, with what it printed and where the course runs.
    ValueError
        If the seed is not a whole number in range.
    """
    if isinstance(seed, bool) or not isinstance(seed, (int, np.integer)) or not 0 <= seed < 2**32:
        raise ValueError(f"seed must be a whole number from 0 to 2**32 - 1, but got {seed!r}.")
    seed = int(seed)  # Python's random refuses NumPy's integers.
    imports.refuse_what_cannot_work()
    # The user's own choice of a backend holds elsewhere; the course's Keras is TensorFlow's. The
    # variable outweighs ~/.keras/keras.json, but comes too late where Keras is imported already.
    os.environ["KERAS_BACKEND"] = "tensorflow"
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    with imports.quiet():
        torch, tf, keras = imports.import_frameworks()
        _claim_gpus(tf)
        _claim_threads(torch, tf)
        _compute_in_float32(torch, tf, keras)
        tf.constant(0.0)  # Starts TensorFlow's runtime while its log lines are still caught.
        torch_device, torch_info = _inspect_torch(torch)
        tf_device, tf_info = _inspect_tensorflow(tf)
        on_cpu = {
            info.framework: module
            for info, module in ((torch_info, torch), (tf_info, tf))
            if info.device == "CPU"
        }
        pace = machine.pace(machine.measure(on_cpu))
    imports.refuse_another_backend(keras)

    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)
    keras.utils.set_random_seed(seed)
    _style_figures()
    runtime = Runtime(seed, torch_device, tf_device, (torch_info, tf_info), pace)
    with contextlib.suppress(ValueError):  # Outside a notebook it prints; stdout may be closed.
        display(runtime)
    return runtime


def _claim_gpus(tf):
    for gpu in tf.config.list_physical_devices("GPU"):
        # TensorFlow refuses this once it runs; then the memory is taken already.
        with contextlib.suppress(RuntimeError):
            tf.config.experimental.set_memory_growth(gpu, True)


def _claim_threads(torch, tf):
    """Lower each framework's threads to the CPUs that are ours; the user's variables go first.

    Unasked, both frameworks count the cores of the machine, not those of a container's quota.
    Threads are never raised: PyTorch's own default leaves out hyper-threads.
    """
    cpus = machine.cpus()
    if not _whole_number("OMP_NUM_THREADS") and cpus < torch.get_num_threads():
        torch.set_num_threads(cpus)
    threading = tf.config.threading
    with contextlib.suppress(RuntimeError):  # TensorFlow refuses once it runs.
        threading.set_intra_op_parallelism_threads(
            _whole_number("TF_NUM_INTRAOP_THREADS")
            or min(threading.get_intra_op_parallelism_threads() or cpus, cpus)
        )
        threading.set_inter_op_parallelism_threads(
            _whole_number("TF_NUM_INTEROP_THREADS")
            or min(threading.get_inter_op_parallelism_threads() or cpus, cpus)
        )


def _whole_number(variable):
    """Return an environment variable's value if it is a whole number above 0, else None."""
    value = os.environ.get(variable, "")
    return int(value) if value.isdecimal() and int(value) > 0 else None


def _compute_in_float32(torch, tf, keras):
    """Leave no hidden rounding and no setting of a user's file between the twins.

    On recent NVIDIA GPUs both frameworks may round the factors of products and convolutions to
    TF32, with 10 bits instead of 23: equal networks would then differ by 1e-3. The proofs of the
    chapters allow 1e-5. In PyTorch cuDNN's older switch is used, because after the newer one
    (``torch.backends.cudnn.conv.fp32_precision``) ``torch.backends.cudnn.flags()`` is an error.
    """
    torch.set_float32_matmul_precision("highest")
    torch.backends.cudnn.allow_tf32 = False
    torch.backends.fp32_precision = "none"  # What the two above inherit from: no reduction.
    tf.config.experimental.enable_tensor_float_32_execution(False)
    keras.config.set_floatx("float32")
    keras.config.set_image_data_format("channels_last")


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
    threads = (
        tf.config.threading.get_intra_op_parallelism_threads()
        or _whole_number("TF_NUM_INTRAOP_THREADS")  # It ran before setup() could set a number.
        or machine.cpus_without_quota()
    )
    gpus = tf.config.list_physical_devices("GPU")
    if gpus:
        details = tf.config.experimental.get_device_details(gpus[0])
        device, name, memory = "/GPU:0", details.get("device_name", "GPU"), "grows as needed"
    else:
        device, name, memory = "/CPU:0", "CPU", _main_memory()
    return device, FrameworkInfo("TensorFlow", tf.__version__, name, threads, memory)


def _main_memory():
    return _gigabytes(machine.memory())


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
