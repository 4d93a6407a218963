"""Sliders, checkboxes and buttons over a picture; it is there without a live kernel, too."""

import io

from PIL import Image

from .plots import bundle, closes_what_fails, figure_png
from .refusals import check_callable, check_description, check_named, check_number

DENSITY = 2  # Pixels of the picture for one of the page: sharp on screens of high density.
# Its natural size, and never more than the window can show together with the controls.
PICTURE_LAYOUT = {
    "align_self": "flex-start",
    "max_width": "100%",
    "max_height": "70vh",
    "object_fit": "contain",
    "object_position": "left top",
}


class Explorer:
    """A figure that sliders and buttons redraw.

    As the last line of a cell it shows the controls in a live notebook, and the picture of the
    first state everywhere else.

    Parameters
    ----------
    draw : callable
        ``draw(**values)`` returns a Matplotlib figure; it gets one value for each slider.
    description : str
        What the first picture shows, in words.
    sliders : dict, optional
        Name to (lowest, highest, start), or (lowest, highest, start, step); whole numbers make a
        whole-number slider, a list of options makes a menu (its first entry is the start), and
        True or False a checkbox that starts so.
    buttons : dict, optional
        Label to a function without arguments, called before the picture is drawn again.
    play : callable, optional
        Called without arguments at each tick of a play button, before drawing.

    Raises
    ------
    ValueError
        If a slider's start lies outside its range, a value that is set lies outside its slider,
        the description is missing, or an argument is of another kind.
    """

    def __init__(self, draw, description, sliders=None, buttons=None, play=None):
        check_callable("draw", draw)
        check_description(description, "An Explorer")
        for name, given in (("sliders", sliders), ("buttons", buttons)):
            if given is not None and given != {}:
                check_named(name, given, "slider" if name == "sliders" else "function")
        for label, action in (buttons or {}).items():
            check_callable(f"The action of button {label!r}", action)
        if play is not None:
            check_callable("play", play)
        self._draw, self._description = closes_what_fails(draw), description
        self._buttons, self._play = buttons or {}, play
        self._sliders = {name: _control(name, spec) for name, spec in (sliders or {}).items()}
        self.values = {name: control["value"] for name, control in self._sliders.items()}
        self._still = figure_png(self._draw(**self.values))

    def __repr__(self):
        return " ".join(self._description.split())

    def set(self, **values):
        """Draw with other values, as moving the sliders does; return the picture as PNG bytes."""
        self._refuse(values)
        picture = figure_png(self._draw(**self.values | values))
        self._take(values)
        return picture

    def _refuse(self, values):
        unknown = set(values) - set(self.values)
        if unknown:
            raise ValueError(f"No slider is called {sorted(unknown)[0]!r}.")
        for name, value in values.items():
            _refuse_outside(name, self._sliders[name], value)

    def _take(self, values):
        self._refuse(values)
        self.values |= values

    def _repr_mimebundle_(self, include=None, exclude=None):
        live = self._widget()._repr_mimebundle_()
        view = "application/vnd.jupyter.widget-view+json"
        data, metadata = bundle(self._still, self._description)
        return {view: live[view], **data}, metadata

    def _widget(self):
        import ipywidgets as widgets

        picture = widgets.Image(format="png", layout=PICTURE_LAYOUT)
        note = widgets.HTML()

        def show():
            sharp = figure_png(self._draw(**self.values), DENSITY)
            pixels, _ = Image.open(io.BytesIO(sharp)).size
            picture.value, picture.layout.width = sharp, f"{pixels // DENSITY}px"

        def redraw(action=None, /, **values):
            try:
                if action:
                    action()
                self._take(values)
                show()
                note.value = ""
            except Exception as error:  # A widget's callback has no cell to show an error in.
                note.value = f"<pre>{type(error).__name__}: {error}</pre>"

        controls = [self._slider_widget(widgets, name, redraw) for name in self._sliders]
        row = []
        for label, action in self._buttons.items():
            button = widgets.Button(description=label)
            button.on_click(lambda _, action=action: redraw(action))
            row.append(button)
        if self._play:
            play = widgets.Play(interval=250, max=10_000)
            play.observe(lambda _: redraw(self._play), "value")
            row.append(play)
        if row:
            controls.append(widgets.HBox(row))
        show()
        return widgets.VBox([*controls, picture, note])

    def _slider_widget(self, widgets, name, redraw):
        spec = self._sliders[name]
        if "options" in spec:
            kind = widgets.Dropdown
        elif isinstance(spec["value"], bool):
            kind = widgets.Checkbox
        elif isinstance(spec["step"], int):
            kind = widgets.IntSlider
        else:
            kind = widgets.FloatSlider
        if kind in (widgets.IntSlider, widgets.FloatSlider):
            # One drawing when the hand lets go: a drag would ask for more than can be drawn.
            spec = spec | {"continuous_update": False}
        control = kind(
            description=name.replace("_", " "), style={"description_width": "initial"}, **spec
        )
        control.observe(lambda change: redraw(None, **{name: change["new"]}), "value")
        return control


def _control(name, spec):
    """Turn a slider's short form into the arguments of its widget."""
    if isinstance(spec, bool):
        return {"value": spec}
    if isinstance(spec, list) and spec:
        return {"options": spec, "value": spec[0]}
    if not isinstance(spec, tuple) or len(spec) not in (3, 4):
        raise ValueError(
            f"Slider {name!r} needs (lowest, highest, start), a fourth number as step, a list of "
            f"options, True or False, but got {spec!r}."
        )
    for number in spec:
        check_number(f"Slider {name!r}", number)
    lowest, highest, start, *step = spec
    if step and step[0] <= 0:
        raise ValueError(f"Slider {name!r} needs a step above 0, but got {step[0]!r}.")
    if not lowest <= start <= highest:
        raise ValueError(f"Slider {name!r} starts at {start}, outside {lowest} to {highest}.")
    whole = all(isinstance(number, int) for number in spec)
    step = step[0] if step else (1 if whole else (highest - lowest) / 100)
    return {"min": lowest, "max": highest, "value": start, "step": step}


def _refuse_outside(name, control, value):
    """Refuse a value that the slider, menu or checkbox itself could not give."""
    if "options" in control:
        good = any(value is option or value == option for option in control["options"])
        expected = f"one of {control['options']}"
    elif isinstance(control["value"], bool):
        good, expected = isinstance(value, bool), "True or False"
    else:
        check_number(f"Slider {name!r}", value)
        good = control["min"] <= value <= control["max"]
        expected = f"{control['min']} to {control['max']}"
    if not good:
        raise ValueError(f"Slider {name!r} must be {expected}, but got {value!r}.")
