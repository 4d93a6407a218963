"""The arithmetics a result must hold in, and a command that runs another one in one of them.

    python tools/arithmetic.py plain -- pytest --nbval notebooks/03_transposed_convolution.ipynb

Another number of threads, or another processor, adds up in another order: to a training that is
another seed. "Plain arithmetic" is what a processor with AVX2 and nothing newer does, which is
most laptops: TensorFlow leaves oneDNN off there, and every library takes its AVX2 code.
"""

import argparse
import os
import subprocess
import sys

THREADS = (
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "TF_NUM_INTRAOP_THREADS",
    "TF_NUM_INTEROP_THREADS",
)
AVX2_ONLY = {
    "TF_ENABLE_ONEDNN_OPTS": "0",
    "ATEN_CPU_CAPABILITY": "avx2",
    "ONEDNN_MAX_CPU_ISA": "AVX2",
    "MKL_ENABLE_INSTRUCTIONS": "AVX2",
    "OPENBLAS_CORETYPE": "Haswell",
}
ARITHMETICS = {
    "one thread": dict.fromkeys(THREADS, "1"),
    "two threads": dict.fromkeys(THREADS, "2"),
    "plain": dict.fromkeys(THREADS, "1") | AVX2_ONLY,
}


def environment(name):
    """Return this process's environment, changed so that a child computes in that arithmetic.

    Parameters
    ----------
    name : str
        A key of ``ARITHMETICS``.

    Returns
    -------
    dict of str to str
        For ``subprocess.run(..., env=...)``. The variables act when a framework is imported, so
        they must be set before the process starts.
    """
    return os.environ | ARITHMETICS[name]


def main():
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("arithmetic", choices=list(ARITHMETICS))
    parser.add_argument("command", nargs="+", help="after --, what to run")
    chosen = parser.parse_args()
    sys.exit(subprocess.run(chosen.command, env=environment(chosen.arithmetic)).returncode)


if __name__ == "__main__":
    main()
