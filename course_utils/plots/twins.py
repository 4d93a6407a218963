"""Twin source code in two columns."""

import inspect
import textwrap
from html import escape

from IPython.display import display

from .figures import title_colour


class _TwinSource:
    """Two columns of source code for a notebook, one after the other where there is no HTML."""

    def __init__(self, columns):
        self.columns = columns

    def __repr__(self):
        return "\n\n".join(f"--- {title}\n{source}" for title, source in self.columns.items())

    def _repr_html_(self):
        from pygments import highlight
        from pygments.formatters import HtmlFormatter
        from pygments.lexers import PythonLexer

        # Lab's own style for <pre> follows the theme; on a dark one the code would vanish.
        style = "background:white;color:black;white-space:pre;font-size:85%;line-height:1.3"
        formatter = HtmlFormatter(noclasses=True, nobackground=True, prestyles=style)
        cells = "".join(
            '<td style="vertical-align:top;text-align:left;background:white;color:black">'
            f'<b style="color:{title_colour(title)}">{escape(title)}</b>'
            f"{highlight(source, PythonLexer(), formatter)}</td>"
            for title, source in self.columns.items()
        )
        return f"<table><tr>{cells}</tr></table>"


def show_twins(torch_function, tf_function):
    """Show the source code of two functions, PyTorch left and TensorFlow right.

    Parameters
    ----------
    torch_function, tf_function : function
        Functions defined in the notebook; one wrapped by ``tf.function`` is unwrapped.

    Raises
    ------
    TypeError
        If the source of one of them cannot be found.
    """
    columns = {}
    for title, function in (("PyTorch", torch_function), ("TensorFlow", tf_function)):
        function = getattr(function, "python_function", function)
        try:
            columns[title] = textwrap.dedent(inspect.getsource(function)).strip()
        except (OSError, TypeError) as error:
            raise TypeError(
                f"show_twins needs functions with source code, but got {function!r}."
            ) from error
    display(_TwinSource(columns))
