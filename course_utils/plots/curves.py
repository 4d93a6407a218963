"""Losses and telemetry."""

import matplotlib.pyplot as plt
import numpy as np

from ..refusals import check_description, check_named, check_number, check_texts
from .figures import COLOURS, check_histories, closes_what_fails, show_figure, title_colour


def _smooth(values, window):
    """Running mean over the last ``window`` values, as long as the input."""
    sums = np.cumsum(np.insert(np.asarray(values, float), 0, 0.0))
    ends = np.arange(1, len(values) + 1)
    starts = np.maximum(0, ends - window)
    return (sums[ends] - sums[starts]) / (ends - starts)


@closes_what_fails
def show_losses(histories, description, references=None, keys=("d_loss", "g_loss")):
    """Draw loss curves, one panel a loss, all frameworks in each.

    Parameters
    ----------
    histories : dict of str to History
        Title to what :func:`train` returned; a title that starts with "PyTorch" or "TensorFlow"
        gets that framework's colour. Thin lines are raw values, thick ones a running mean.
    description : str
        What the figure shows, in words.
    references : dict of str to float, optional
        A loss's name to its value at the equilibrium, drawn as a dashed line.
    keys : sequence of str, optional
        Which recorded values to draw.
    """
    check_histories(histories)
    check_description(description)
    keys = check_texts("keys", keys)
    if references is not None and references != {}:
        check_named("references", references, "number")
    for key, reference in (references or {}).items():
        check_number(f"references[{key!r}]", reference)
    figure, axes = plt.subplots(
        1, len(keys), figsize=(4.6 * len(keys), 3), squeeze=False, layout="constrained"
    )
    for axis, key in zip(axes[0], keys, strict=True):
        for title, history in histories.items():
            _draw_curve(axis, history, key, title, title_colour(title))
        if references and key in references:
            axis.axhline(references[key], color="0.3", ls="--", lw=1)
            axis.annotate(
                f"equilibrium {references[key]:.3f}",
                (1, references[key]),
                color="0.3",
                fontsize=8,
                xycoords=("axes fraction", "data"),
                ha="right",
                va="bottom",
            )
        axis.set(xlabel="step", title=key)
    axes[0, 0].legend(frameon=False)
    show_figure(figure, description)


def _draw_curve(axis, history, key, label, colour, style="-"):
    if key not in history.values:
        raise ValueError(
            f"The history holds no {key!r}, only: {', '.join(history.values) or 'nothing'}."
        )
    values = np.asarray(history.values[key], float)
    if not values.size or not np.isfinite(values).all():
        raise ValueError(
            f"The values of {key!r} in the history of {label!r} are none or not finite."
        )
    axis.plot(values, color=colour, alpha=0.2, lw=0.7)
    window = max(1, len(values) // 30)
    axis.plot(_smooth(values, window), style, color=colour, lw=1.8, label=label)


@closes_what_fails
def show_telemetry(histories, description, keys=("D(x)", "D(G(z))")):
    """Draw D(x) and D(G(z)) during training, one panel a run, one half as the dashed goal.

    Parameters
    ----------
    histories : dict of str to History
        Title to what :func:`train` returned.
    description : str
        What the figure shows, in words.
    keys : pair of str, optional
        The recorded mean of D on real pictures and on generated ones.
    """
    check_histories(histories)
    check_description(description)
    keys = check_texts("keys", keys, 2)
    figure, axes = plt.subplots(
        1,
        len(histories),
        figsize=(4.6 * len(histories), 3),
        squeeze=False,
        sharey=True,
        layout="constrained",
    )
    for axis, (title, history) in zip(axes[0], histories.items(), strict=True):
        for key, colour in zip(keys, (COLOURS["real"], COLOURS["generated"]), strict=True):
            _draw_curve(axis, history, key, key, colour)
            lowest, highest = min(history.values[key]), max(history.values[key])
            if lowest < 0 or highest > 1:
                raise ValueError(
                    f"show_telemetry draws probabilities, but {key!r} goes from {lowest:.3g} to "
                    f"{highest:.3g}. Record a sigmoid of D's output, or use show_losses."
                )
        axis.axhline(0.5, color="0.3", ls="--", lw=1)
        axis.set(xlabel="step", ylim=(0, 1))
        axis.set_title(title, color=title_colour(title))
    axes[0, 0].set_ylabel("mean output of D")
    axes[0, 0].legend(frameon=False)
    show_figure(figure, description)
