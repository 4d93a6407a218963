"""What nbval's sanitiser masks is printed by `check` and by the set-up cell, and by nothing else.

The sanitiser masks the measured value of a check line, and the cells of the device table. Text that
only looks like one of these would be masked, too, and then nothing in it would be compared.
"""

import ast
import configparser
import math
import re
from pathlib import Path

from course_utils.checks import CHECK_LINE
from notebook_rules.cells import (
    IGNORE,
    calls_of_check,
    code_cells,
    first_line,
    reporters,
    tags,
    texts_of,
    tree_of,
)
from notebook_rules.plain import TOO_FAR, helper_calls

SANITISE = configparser.RawConfigParser()
SANITISE.read(Path(__file__).parents[1] / "sanitize.cfg", encoding="utf-8")
WORDS = re.compile(r"\bat (?:least|most)\b|\(at\b")
MASKS = {name: re.compile(SANITISE[name]["regex"]) for name in SANITISE.sections()}


def something_is_checked(book):
    """A chapter has a check."""
    if not any(calls_of_check(tree_of(cell)) for cell in code_cells(book)):
        yield "nothing is checked"


def each_check_is_compared(book):
    """A check does not stand where nbval ignores what it prints."""
    for cell in code_cells(book):
        if IGNORE in tags(cell) and (calls := calls_of_check(tree_of(cell))):
            yield f"in an ignored cell: {first_line(calls[0][0])!r}"


def check_lines_come_from_checks(book):
    """Each check has printed its line, and each line that looks like one is a check's."""
    helpers = reporters(book)
    for cell in code_cells(book):
        if IGNORE in tags(cell):
            continue
        patterns = dict(_patterns(tree_of(cell), helpers))
        lines = [line for text in texts_of(cell) for line in _masked_lines(text)]
        for pattern, call in patterns.items():
            if not any(re.fullmatch(pattern, line) for line in lines):
                yield f"no line is stored of {first_line(call)!r}"
        for line in lines:
            if not any(re.fullmatch(pattern, line) for pattern in patterns):
                yield f"looks like a check and is none: {line!r}"


def _masked_lines(text):
    return [
        line
        for line in text.splitlines()
        if MASKS["check"].search(line) or CHECK_LINE.fullmatch(line)
    ]


def _patterns(tree, helpers):
    """Yield (regular expression of the line, call) for each check that a cell makes."""
    own = [n for n in tree.body if not isinstance(n, ast.FunctionDef)]
    calls = [call for node in own for call, _ in calls_of_check(node)]
    for name, _ in helper_calls(tree, helpers):
        calls += [call for call, _ in calls_of_check(helpers[name])]
    for call in calls:
        what = [*call.args[:1], *(k.value for k in call.keywords if k.arg == "what")]
        name = _pattern_of_text(what[0]) if what else ".+"
        yield rf"{name}: \S+ \({_pattern_of_bounds(call)}\)", call


def _pattern_of_text(node):
    if isinstance(node, ast.Constant):
        return re.escape(str(node.value))
    if isinstance(node, ast.JoinedStr):
        return "".join(map(_pattern_of_text, node.values))
    return ".+"


def _pattern_of_bounds(call):
    given = dict(zip(("at_least", "at_most"), call.args[2:], strict=False))
    given |= {k.arg: k.value for k in call.keywords if k.arg not in ("what", "value")}
    if None in given:  # **bounds
        return "at (?:least|most) .+"
    words = []
    for word in ("at_least", "at_most"):
        if word in given:
            try:
                number = re.escape(f"{float(ast.literal_eval(given[word])):g}")
            except (ValueError, TypeError):
                number = r"\S+"
            words.append(rf"{word.replace('_', ' ')} {number}")
    return " and ".join(words)


def only_checks_speak_of_bounds(book):
    """Beside a check nothing is printed in its words: it could stand for one that never ran."""
    for cell in code_cells(book):
        tree = tree_of(cell)
        calls = [call for call, _ in calls_of_check(tree)]
        names = {id(n) for call in calls for part in call.args[:1] for n in ast.walk(part)}
        for node in ast.walk(tree) if calls else ():
            text = node.value if isinstance(node, ast.Constant) else ""
            if isinstance(text, str) and id(node) not in names and WORDS.search(text):
                yield f"speaks as a check does: {text!r}"


def printed_bounds_ask_something(book):
    """The bounds that a check printed are finite, and within what the course measures."""
    for cell in code_cells(book):
        for text in texts_of(cell):
            for line in CHECK_LINE.finditer(text):
                bounds = filter(None, line.group("at_least", "at_most"))
                if not all(_is_a_bound(bound) for bound in bounds):
                    yield f"asks nothing: {line[0]!r}"


def _is_a_bound(text):
    try:
        return math.isfinite(float(text)) and abs(float(text)) < TOO_FAR
    except ValueError:
        return False


def only_set_up_is_masked(book):
    """What differs between machines stands in the set-up cell's table alone."""
    for number, cell in enumerate(code_cells(book)):
        set_up = number == 0 and "setup(" in cell.source
        for text in () if set_up else texts_of(cell):
            for name, mask in MASKS.items():
                if name != "check" and (match := mask.search(text)):
                    yield f"masked by [{name}]: {match[0]!r}"
    for cell in book.cells:
        for text in (cell.source, *(texts_of(cell) if cell.cell_type == "code" else ())):
            inside = re.search(r"class\s*=\s*\\?[\"']?machine", text)
            if inside and (text is cell.source or cell is not code_cells(book)[0]):
                yield f"the sanitiser's class: {text[inside.start() :][:40]!r}"


RULES = (
    something_is_checked,
    each_check_is_compared,
    check_lines_come_from_checks,
    only_checks_speak_of_bounds,
    printed_bounds_ask_something,
    only_set_up_is_masked,
)
