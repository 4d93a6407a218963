"""Examine any GAN: hooks watch its own step, and known answers are put in D's place.

One instrument is one function of a :class:`~course_utils.doctor.case.Case`; all of them are listed
in ``INSTRUMENTS``, and the source of each is what the chapter on debugging shows.
"""

from .examination import INSTRUMENTS, examine
from .report import Finding, Report

__all__ = ["INSTRUMENTS", "Finding", "Report", "examine"]
