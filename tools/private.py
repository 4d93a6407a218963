"""What no notebook may show: it differs between machines, or gives away whose machine it was."""

import re

# From the root of a file system, at least two folders deep: /home/me, /opt/x, /content/y, whatever
# the root holds. A fraction, a URL, an HTML tag or `~/x` has something else before its stroke.
POSIX = re.compile(r"(?<![\w/.~$%*+|)\]}\\<…-])/[A-Za-z][\w.-]*/[\w.~-]\S*")
FILE_URL = re.compile(r"\bfile:/{1,3}\S+")
# C:\Users, C:/Users; and a share, \\server\folder. Doubled, too, as Python shows a string.
DRIVE = re.compile(r"(?<![\w$])[A-Za-z]:(?:\\{1,2}|/)[\w.~ -]*\w")
SHARE = re.compile(r"(?<![\w\\])\\{2,4}[\w.-]+\\{1,2}[\w.$-]+")
ADDRESS = re.compile(r"\b0x[0-9a-f]{6,}\b")
# In a formula a backslash begins a command: $G:\mathbb{R}^z$, or a new row: a \\ b.
FORMULA = re.compile(r"\$\$.*?\$\$|\$[^$\n]+\$|\\begin\{(\w+\*?)\}.*?\\end\{\1\}", re.DOTALL)


def forbidden(text):
    """Find absolute paths, of any system, and memory addresses in a text.

    Parameters
    ----------
    text : str
        Printed text, HTML or Markdown.

    Yields
    ------
    tuple of str
        What it is, and the piece of text.
    """
    without_formulas = FORMULA.sub(" ", text)
    for pattern in (POSIX, FILE_URL):
        yield from (("an absolute path", match[0]) for match in pattern.finditer(text))
    for pattern in (DRIVE, SHARE):
        yield from (("an absolute path", match[0]) for match in pattern.finditer(without_formulas))
    yield from (("a memory address", match[0]) for match in ADDRESS.finditer(text))
