"""Prove that a PyTorch module and a Keras model are one network: copy weights, compare results.

Layers are paired in order. Layouts differ between the frameworks and are translated here:

=====================  =====================  =====================
layer                  PyTorch                Keras
=====================  =====================  =====================
dense                  (out, in)              (in, out)
convolution            (out, in, kh, kw)      (kh, kw, in, out)
transposed convolution (in, out, kh, kw)      (kh, kw, out, in)
units before a reshape ordered C, H, W        ordered H, W, C
=====================  =====================  =====================
"""

from .copying import copy_weights, largest_difference
from .errors import PairingError
from .proof import TwinReport, assert_twins

__all__ = ["PairingError", "TwinReport", "assert_twins", "copy_weights", "largest_difference"]
