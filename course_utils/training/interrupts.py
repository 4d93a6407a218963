"""Ctrl-C and the stop button take effect between two steps."""

import signal
import threading


class Interrupts:
    """Hold an interrupt until a step has ended.

    A step changes D and then G, and each by way of an optimiser's state: half a step is the state
    of no training, and a checkpoint of it could not be resumed. While the context lasts, ``came``
    says whether someone asked to stop. Only the main thread gets interrupts.
    """

    def __enter__(self):
        self.came = False
        self._previous = None
        if threading.current_thread() is threading.main_thread():
            self._previous = signal.signal(signal.SIGINT, self._remember)
        return self

    def __exit__(self, *_):
        if self._previous is not None:
            signal.signal(signal.SIGINT, self._previous)

    def _remember(self, *_):
        self.came = True
