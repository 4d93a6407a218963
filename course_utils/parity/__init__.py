"""Prove that two models are one network."""

from .pairing import *  # noqa: F403
