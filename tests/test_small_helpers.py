"""The printed checks and the explorer."""

import io

import ipywidgets as widgets
import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from PIL import Image

from course_utils import Explorer, check
from course_utils.explore import DENSITY
from course_utils.plots import figure_png

# --- check -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "bounds", "printed"),
    [
        (0.5, {"at_least": 0.25}, "share: 0.5 (at least 0.25)"),
        (0.25, {"at_least": 0.25}, "share: 0.25 (at least 0.25)"),
        (10, {"at_most": 10}, "share: 10 (at most 10)"),
        (torch.tensor(0.5), {"at_least": 0, "at_most": 1}, "share: 0.5 (at least 0 and at most 1)"),
        (np.float32(3e-7), {"at_most": 1e-6}, "share: 3e-07 (at most 1e-06)"),
    ],
)
def test_a_check_prints_the_value_and_its_bounds(value, bounds, printed, capsys):
    check("share", value, **bounds)
    assert capsys.readouterr().out == printed + "\n"


@pytest.mark.parametrize(
    ("value", "bounds"),
    [
        (0.2499, {"at_least": 0.25}),
        (1.001, {"at_most": 1}),
        (2, {"at_least": 0, "at_most": 1}),
        (np.nan, {"at_least": 0}),
        (np.nan, {"at_most": 0}),
        (np.inf, {"at_most": 1e300}),
    ],
)
def test_a_check_fails_outside_its_bounds(value, bounds, capsys):
    with pytest.raises(AssertionError, match=f"share: {value:.6g}, expected at"):
        check("share", value, **bounds)
    assert capsys.readouterr().out == ""


def test_a_check_without_bounds_is_refused():
    with pytest.raises(ValueError, match="at_least=, at_most= or both"):
        check("share", 1)


# --- Explorer ------------------------------------------------------------------------------------

VIEW = "application/vnd.jupyter.widget-view+json"


def draw(height=1, slope=0.5, kind="line"):
    if height == 9:
        raise ZeroDivisionError("nine is too high")
    figure, axis = plt.subplots(figsize=(2, 2))
    axis.plot([0, 1], [height, height + slope], "-" if kind == "line" else ":")
    axis.set_ylim(0, 12)
    return figure


SLIDERS = {"height": (0, 10, 1), "slope": (0.0, 1, 0, 0.5), "kind": ["line", "dots"]}


def explorer(**arguments):
    return Explorer(draw, "A line\n  that rises.", SLIDERS, **arguments)


def children(shown, kind):
    """All widgets of a kind in the explorer's box."""
    found, todo = [], [shown]
    while todo:
        widget = todo.pop(0)
        found += [widget] if isinstance(widget, kind) else []
        todo += getattr(widget, "children", ())
    return found


def test_a_cell_shows_controls_and_a_still_picture():
    one = explorer()
    bundle, metadata = one._repr_mimebundle_()
    assert set(bundle) == {VIEW, "image/png", "text/plain"}
    assert metadata == {"image/png": {"alt": "A line that rises."}}
    assert bundle["text/plain"] == repr(one) == "A line that rises."
    assert plt.get_fignums() == []


def test_sliders_have_their_kind_range_and_start():
    shown = explorer()._widget()
    (whole,) = children(shown, widgets.IntSlider)
    (real,) = children(shown, widgets.FloatSlider)
    (menu,) = children(shown, widgets.Dropdown)
    assert (whole.min, whole.max, whole.value, whole.step) == (0, 10, 1, 1)
    assert (real.min, real.max, real.value, real.step) == (0, 1, 0, 0.5)
    assert (menu.options, menu.value) == (("line", "dots"), "line")


@pytest.mark.parametrize(
    ("spec", "kind"),
    [
        ((0, 1, 0), widgets.IntSlider),
        ((0.0, 1.0, 0), widgets.FloatSlider),
        ((0, 1, 0.5), widgets.FloatSlider),
        ((0, 10, 5, 0.5), widgets.FloatSlider),
        ((0, 10, 5, 5), widgets.IntSlider),
    ],
)
def test_one_number_that_is_not_whole_makes_a_fine_slider(spec, kind):
    shown = Explorer(lambda a: draw(), "Text.", {"a": spec})._widget()
    assert len(children(shown, kind)) == 1


def test_true_and_false_make_checkboxes_that_draw():
    def cross(on=False, both=True):
        return draw(3 if on else 1, kind="dots" if both else "line")

    one = Explorer(cross, "A line.", {"on": False, "both": True})
    shown = one._widget()
    boxes = children(shown, widgets.Checkbox)
    assert [(box.description, box.value) for box in boxes] == [("on", False), ("both", True)]
    boxes[0].value = True
    assert one.values == {"on": True, "both": True}
    (picture,) = children(shown, widgets.Image)
    assert picture.value == figure_png(cross(on=True), DENSITY)


def test_setting_values_draws_another_picture_and_moving_a_slider_the_same():
    one = explorer()
    still = one._repr_mimebundle_()[0]["image/png"]
    shown = one._widget()
    (picture,) = children(shown, widgets.Image)
    children(shown, widgets.IntSlider)[0].value = 7
    moved = picture.value
    children(shown, widgets.Dropdown)[0].value = "dots"
    assert one.values == {"height": 7, "slope": 0, "kind": "dots"}
    assert picture.value != moved
    assert figure_png(draw(height=7, slope=0), DENSITY) == moved
    assert Image.open(io.BytesIO(moved)).format == "PNG"
    assert one._repr_mimebundle_()[0]["image/png"] == still  # What is stored does not depend on it.
    assert plt.get_fignums() == []


def test_buttons_and_play_act_and_then_draw():
    done = []
    one = explorer(buttons={"more": lambda: done.append("more")}, play=lambda: done.append("tick"))
    shown = one._widget()
    children(shown, widgets.Button)[0].click()
    children(shown, widgets.Play)[0].value += 1
    assert done == ["more", "tick"]


def test_an_error_is_shown_in_the_note_and_goes_away():
    def fail():
        raise KeyError("no such thing")

    one = explorer(buttons={"fail": fail}, play=fail)
    shown = one._widget()
    (note,), (picture,) = children(shown, widgets.HTML), children(shown, widgets.Image)
    before = picture.value
    slider = children(shown, widgets.IntSlider)[0]
    slider.value = 9
    assert "ZeroDivisionError: nine is too high" in note.value
    assert picture.value == before
    slider.value = 3
    assert note.value == ""
    children(shown, widgets.Button)[0].click()
    assert "KeyError" in note.value
    children(shown, widgets.Play)[0].value += 1
    assert "KeyError" in note.value


@pytest.mark.parametrize("start", [0, 10])
def test_a_slider_may_start_at_its_ends(start):
    assert Explorer(draw, "Text.", {"height": (0, 10, start)}).values == {"height": start}


def test_a_fine_slider_has_a_hundred_steps_and_a_whole_one_steps_of_one():
    sliders = {"a": (0.0, 5, 1), "b": (0, 5, 1), "c": (0, 5, 1, 2)}
    shown = Explorer(lambda **_: draw(), "Text.", sliders)._widget()
    assert [w.step for w in children(shown, widgets.FloatSlider)] == [0.05]
    assert [w.step for w in children(shown, widgets.IntSlider)] == [1, 2]


def test_the_play_button_ticks_four_times_a_second():
    (play,) = children(explorer(play=list)._widget(), widgets.Play)
    assert (play.interval, play.max, play.value) == (250, 10_000, 0)


@pytest.mark.parametrize("start", [-1, 11])
def test_a_start_out_of_range_is_refused(start):
    with pytest.raises(ValueError, match=f"'height' starts at {start}, outside 0 to 10"):
        Explorer(draw, "Text.", {"height": (0, 10, start)})


@pytest.mark.parametrize("text", ["", "  ", None])
def test_an_explorer_without_description_is_refused(text):
    with pytest.raises(ValueError, match="needs a description"):
        Explorer(draw, text)


def test_an_unknown_slider_is_refused():
    with pytest.raises(ValueError, match="No slider is called 'width'"):
        explorer().set(width=1)
