"""A picture above the progress bar that moves while a training runs, where somebody watches."""

import contextlib
import os
import sys
import time

from IPython import get_ipython
from IPython.display import display
from tqdm import tqdm

from ..plots import bundle
from .drawing import DENSITY, draw_training, encode, nothing, samples_page

PAUSE = 0.5  # Seconds from one drawing to the next at least.
SHARE = 0.02  # Of the time that drawing may take: a slow moment still keeps it under 3 %.
FIRST_COST = 0.02  # Seconds, a guess: the first drawing has none before it.
VIEW = "application/vnd.jupyter.widget-view+json"
LIVE = "live_picture"  # In the output's metadata: tools/build.py stores nothing of it.
SWITCH = "COURSE_LIVE"


def is_watched():
    """Whether a kernel runs this, not for pytest, and nobody said ``COURSE_LIVE=0``.

    Kernels inherit what pytest tells of itself, so nbval's are known.
    """
    in_kernel = getattr(get_ipython(), "kernel", None) is not None
    return in_kernel and "PYTEST_VERSION" not in os.environ and os.environ.get(SWITCH) != "0"


class Pace:
    """When to draw: at most twice a second, and so rarely that it costs little of the time.

    Attributes
    ----------
    spent : float
        Seconds that the drawings took.
    """

    def __init__(self, clock=time.perf_counter):
        self._clock = clock
        self._start, self._last = clock(), -PAUSE
        self.spent, self._cost = 0.0, FIRST_COST

    def due(self):
        """Whether a drawing can be paid for, and the one at the end as well."""
        now = self._clock()
        planned = self.spent + 2 * self._cost
        return now - self._last >= PAUSE and planned <= SHARE * (now - self._start)

    @contextlib.contextmanager
    def spends(self):
        """Count seconds that are not the training's."""
        start = self._clock()
        try:
            yield
        finally:
            self.spent += self._clock() - start

    @contextlib.contextmanager
    def draws(self):
        """Count a drawing's seconds; the next one is expected to cost as many."""
        self._last, before = self._clock(), self.spent
        with self.spends():
            yield
        self._cost = self.spent - before


class Screen:
    """Where the picture stands in a notebook: a widget while it moves, then a plain picture."""

    def __init__(self, description):
        import ipywidgets

        self._description, self._size = description, None
        self._widget = ipywidgets.Image(format="jpeg", value=encode(nothing()))
        self._widget.layout.max_width = "100%"
        view = {VIEW: self._widget._repr_mimebundle_()[VIEW], "text/plain": description}
        self._handle = display(view, raw=True, metadata={LIVE: True}, display_id=True)

    def show(self, image):
        """Show the next state."""
        with self._widget.hold_sync():
            self._widget.value = encode(image)
            if image.size != self._size:
                self._size = image.size
                self._widget.layout.width = f"{image.width // DENSITY}px"

    def end(self, image=None):
        """Leave the last state as a picture that needs no kernel; nothing without one."""
        if image is None:
            data, metadata = {"text/html": ""}, {}
        else:
            data, metadata = bundle(encode(image, "png"), self._description)
            metadata["image/png"] |= {"width": image.width // DENSITY}
        self._handle.update(data, raw=True, metadata=metadata | {LIVE: True})
        self._widget.close()


class LivePicture:
    """The curves of a history, and samples; updated between steps and finished at the end.

    Parameters
    ----------
    history : History
        What the training has recorded so far.
    steps : int
        How many steps the training has in all.
    name : str
        As in :func:`train`.
    picture : callable, optional
        Returns samples; without it those of the last snapshot are shown, if they can be.
    screen : Screen, optional
        Where to show it; None shows nothing.
    clock : callable, optional
        Returns seconds.
    """

    def __init__(self, history, steps, name, picture=None, screen=None, clock=time.perf_counter):
        self._history, self._steps, self._name = history, steps, name
        self._picture, self._screen = picture, screen
        self.pace, self.drawings = Pace(clock), 0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self._screen is not None:
            with self._telling():
                self._screen.end(self._draw() if self.drawings else None)

    def update(self):
        """Draw again, if it is time to."""
        if self._screen is not None and self.pace.due():
            with self._telling(), self.pace.draws():
                self._screen.show(self._draw())
                self.drawings += 1

    def _draw(self):
        page = self._page()
        return draw_training(self._history.values, self._history.steps, self._steps, page)

    def _page(self):
        if self._picture is not None:
            try:
                return samples_page(self._picture())
            except Exception as error:  # Whatever the notebook's function does.
                self._picture = None
                self._tell("picture= failed and is left out", error)
        if self._history.snapshots:
            with contextlib.suppress(ValueError, TypeError):  # A snapshot may be anything.
                return samples_page(self._history.snapshots[-1])
        return None

    @contextlib.contextmanager
    def _telling(self):
        """Whatever fails in showing, the training goes on without a picture."""
        try:
            yield
        except Exception as error:
            self._screen = None
            self._tell("the live picture stops", error)

    def _tell(self, what, error):
        tqdm.write(
            f"{self._name}: {what} ({type(error).__name__}: {error}). The training goes on.",
            file=sys.stdout,
        )


def live_picture(history, steps, name, picture=None):
    """Return a live picture where somebody watches, else one that shows nothing.

    Parameters
    ----------
    history, steps, name, picture
        As in :class:`LivePicture`; a ``picture`` of False shows nothing.
    """
    function = picture if callable(picture) else None
    live = LivePicture(history, steps, name, function)
    if picture is not False and is_watched():
        with live._telling(), live.pace.spends():
            live._screen = Screen(f"{name}: how the recorded values and the samples change.")
    return live
