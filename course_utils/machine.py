"""What this machine is: how many cores and how much memory are ours, and how fast it computes."""

import contextlib
import math
import os
import statistics
import time
from pathlib import Path

import psutil

REFERENCE = "two cores of an AMD EPYC 9004 at 2.6 GHz"
# Seconds on the reference with two threads, as `python tools/benchmark.py machine` prints them.
REFERENCE_SECONDS = {
    ("PyTorch", "product"): 0.167e-3,
    ("PyTorch", "convolution"): 0.274e-3,
    ("TensorFlow", "product"): 0.330e-3,
    ("TensorFlow", "convolution"): 0.353e-3,
}
# Chapter 04's work: the inner convolution of its discriminator, 32 maps of 14 x 14 to 64 of 7 x 7
# with 4 x 4 kernels, for a quarter of its batch of 64; and a product. Both are over in half a
# millisecond, before a system under load gives the core to another process: a product of 512 x 512
# and a whole batch, 2 ms each, were seen to take fourfold there.
SIDE = 256
BATCH, MAPS_IN, MAPS_OUT, PIXELS, KERNEL = 16, 32, 64, 14, 4
FLOP = {
    "product": 2 * SIDE**3,
    "convolution": 2 * BATCH * MAPS_OUT * (PIXELS // 2) ** 2 * MAPS_IN * KERNEL**2,
}
BUDGET = 0.2  # Seconds for all measurements, warm-up included.
ROUNDS = 4  # Other load comes in bursts: no work is measured in one of them only.
MEMORY_LIMITS = (
    "/sys/fs/cgroup/memory.max",  # version 2
    "/sys/fs/cgroup/memory/memory.limit_in_bytes",  # version 1
)


def cpus():
    """Return how many CPUs this process may use: a whole number of at least 1.

    It is the least of what the machine has, what the process is bound to (its affinity), and what
    the quota of its container allows, rounded up. joblib asks all three.
    """
    import joblib

    try:
        return joblib.cpu_count()
    except (OSError, ValueError):  # A file or a variable that it cannot read.
        return cpus_without_quota()


def cpus_without_quota():
    """Return how many CPUs this process may run on, whatever its quota: what frameworks count."""
    affinity = getattr(os, "sched_getaffinity", None)  # Linux only.
    return len(affinity(0)) if affinity else os.cpu_count() or 1


def memory():
    """Return how many bytes of main memory this process may use: the machine's or a container's."""
    count = psutil.virtual_memory().total
    for path in MEMORY_LIMITS:
        with contextlib.suppress(OSError, ValueError):  # No such limit, or "max".
            count = min(count, int(Path(path).read_text()))
    return count


def best_time(work, budget):
    """Return the seconds that ``work()`` takes: the least of several runs after a warm-up.

    The least, because other load only adds. All runs together take about the budget, in seconds;
    where two runs take longer than that, only these two are made.
    """
    end = time.perf_counter() + budget
    work()
    best = math.inf
    while True:
        start = time.perf_counter()
        work()
        now = time.perf_counter()
        best = min(best, now - start)
        if now >= end:
            return best


def torch_work(torch):
    """Return the work to measure in PyTorch: functions by their names, on the CPU."""
    a = torch.ones(SIDE, SIDE)
    x = torch.ones(BATCH, MAPS_IN, PIXELS, PIXELS)
    w = torch.ones(MAPS_OUT, MAPS_IN, KERNEL, KERNEL)
    convolve = torch.nn.functional.conv2d
    return {
        "product": lambda: torch.mm(a, a),
        "convolution": lambda: convolve(x, w, stride=2, padding=1),
    }


def tensorflow_work(tf):
    """Return the same work in TensorFlow."""
    a = tf.ones((SIDE, SIDE))
    x = tf.ones((BATCH, PIXELS, PIXELS, MAPS_IN))
    w = tf.ones((KERNEL, KERNEL, MAPS_IN, MAPS_OUT))
    return {
        "product": lambda: tf.matmul(a, a),
        "convolution": lambda: tf.nn.conv2d(x, w, strides=2, padding="SAME"),
    }


def measure(modules, budget=BUDGET):
    """Measure a matrix product and a convolution in each framework, on the CPU.

    It draws no random number and changes no seed.

    Parameters
    ----------
    modules : dict
        Imported frameworks by name: ``{"PyTorch": torch, "TensorFlow": tf}``, or one of them.
    budget : float, optional
        Seconds for all measurements together. A machine on which one run of each takes longer
        than that makes two, of which the first is a warm-up.

    Returns
    -------
    dict
        Seconds by framework and work, with the keys of ``REFERENCE_SECONDS``. What fails is left
        out: no figure is worth a set-up that stops.
    """
    end = time.perf_counter() + budget
    makers = {"PyTorch": torch_work, "TensorFlow": tensorflow_work}
    works = {}
    for framework, module in modules.items():
        with contextlib.suppress(Exception):
            for name, work in makers[framework](module).items():
                works[framework, name] = work
    seconds = {}
    for _ in range(ROUNDS):
        for key, work in works.items():
            # Not one run of each in turn: threads of the framework before spin for a while.
            with contextlib.suppress(Exception):
                taken = best_time(work, budget / ROUNDS / len(works))
                seconds[key] = min(taken, seconds.get(key, taken))
        if time.perf_counter() >= end:
            break
    return seconds


def pace(seconds):
    """Return what the chapters' minutes must be multiplied by here; None if nothing was measured.

    It is the mean of the measured seconds, each over the reference's. Above 1 is slower.
    """
    if not seconds:
        return None
    return statistics.fmean(taken / REFERENCE_SECONDS[key] for key, taken in seconds.items())


def describe_pace(factor, only=()):
    """Return a factor of :func:`pace` as a sentence, for all frameworks or for some only."""
    if factor is None:
        return f"Chapters' minutes are those of {REFERENCE}; here none was measured."
    shown = f"{max(factor, 0.1):.1f}" if factor < 9.95 else f"{factor:.0f}"
    compared = "as fast as" if shown == "1.0" else "slower than" if factor > 1 else "faster than"
    whose = f" for {' and '.join(only)}" if only else ""
    return f"Chapters' minutes here: about × {shown}{whose}, {compared} {REFERENCE}."
