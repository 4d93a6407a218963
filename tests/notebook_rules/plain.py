"""The code of a notebook is plain Python, and `check` in it is the course's own, asking something.

nbval reports a cell that raises, and compares what a compared cell prints. So nothing may catch
what `check` raises, skip it, print in its place, or change what it is.
"""

import ast
import math

from notebook_rules.cells import calls_of_check, code_cells, first_line, reporters, tree_of
from notebook_rules.syntax import root_of

# `check` and what it prints with, and what runs code that these rules cannot see.
KEPT = {"check", "print", "float", "AssertionError"}
HIDING = {"get_ipython", "exec", "eval", "compile", "globals", "locals", "vars", "setattr"}
HIDING |= {"delattr", "breakpoint", "exit", "quit", "__import__", "__builtins__", "suppress"}
HIDING |= {"redirect_stdout", "redirect_stderr", "capture_output", "clear_output", "import_module"}
SHELL = {"system", "popen", "spawn", "run_line_magic", "run_cell_magic", "run_cell", "settrace"}
METHODS = HIDING - {"eval", "compile"} | SHELL | {"stdout", "stderr", "__dict__"}
MODULES = {"subprocess", "builtins", "importlib", "runpy", "ctypes", "pty", "atexit", "IPython"}
MODULES |= {"unittest", "pytest", "ipykernel", "pip"}
ALLOWED = {"importlib.resources", "IPython.display"}
TOO_FAR = 1e6  # No measure of the course reaches it; the largest bound has two digits.


def code_is_plain_python(book):
    """No magic, no shell line, no help: they hide output, install things, or start programs."""
    for cell in code_cells(book):
        try:
            ast.parse(cell.source)
        except SyntaxError as error:
            yield f"no plain Python: {(error.text or cell.source).strip()[:60]!r}"


def nothing_hides_code(book):
    """No shell, no code in strings, nothing that swallows output or errors, no hidden modules."""
    for cell in code_cells(book):
        for node in ast.walk(tree_of(cell)):
            if isinstance(node, ast.Name) and node.id in HIDING:
                yield f"{node.id}"
            if (
                isinstance(node, ast.Attribute)
                and node.attr in HIDING - {"eval", "compile"} | SHELL
            ):
                yield f".{node.attr}"
            if isinstance(node, ast.Attribute) and node.attr in {"stdout", "stderr", "__dict__"}:
                yield f".{node.attr}"
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            for name in names:
                if name.partition(".")[0] in MODULES and name not in ALLOWED:
                    yield f"imports {name}"
            if isinstance(node, ast.ImportFrom):
                yield from (
                    f"imports {alias.name}" for alias in node.names if alias.name in HIDING | SHELL
                )


def check_is_the_courses_own(book):
    """`check` comes from course_utils under its name, and nothing else gets that name."""
    for cell in code_cells(book):
        for node in ast.walk(tree_of(cell)):
            if isinstance(node, ast.Import | ast.ImportFrom):
                yield from _odd_imports(node)
            elif bound := KEPT & _bound(node):
                yield f"gives a new meaning to {', '.join(sorted(bound))}"
            if isinstance(node, ast.Attribute) and node.attr == "check":
                yield f"{ast.unparse(node)} in place of check"
            changed = isinstance(node, ast.Attribute) and _is_stored(node)
            if changed and root_of(node) in {"course_utils", "checks", "sys", "np", "math"}:
                yield f"changes {ast.unparse(node)}"


def _odd_imports(node):
    source = getattr(node, "module", "") or ""
    for alias in node.names:
        if alias.name == "*":
            yield f"from {source} import *"
        named = alias.asname or alias.name
        right = source in {"course_utils", "course_utils.checks"}
        if "check" in (alias.name, named) and not (right and named == alias.name):
            yield f"imports {alias.name} as {named} from {source or 'a module'}"
        elif named in KEPT - {"check"} or alias.name == "checks":
            yield f"imports {alias.name} as {named}"


def _bound(node):
    """Return the names that a node binds."""
    if isinstance(node, ast.Name) and _is_stored(node):
        return {node.id}
    names = {getattr(node, key, None) for key in ("arg", "rest")} if _binds(node) else set()
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        names.add(node.name)
    if isinstance(node, ast.ExceptHandler | ast.MatchAs | ast.MatchStar):
        names.add(node.name)
    if isinstance(node, ast.Global | ast.Nonlocal):
        names |= set(node.names)
    return names - {None}


def _binds(node):
    return isinstance(node, ast.arg | ast.MatchMapping)


def _is_stored(node):
    return isinstance(node.ctx, ast.Store | ast.Del)


def each_check_is_made(book):
    """A check stands alone, in a cell, its `for` loops, or so in a function that is called."""
    helpers = reporters(book)
    called = set()
    for cell in code_cells(book):
        tree = tree_of(cell)
        own = {f for f in tree.body if isinstance(f, ast.FunctionDef) and f.name in helpers}
        counted = set()
        for call, outer in calls_of_check(tree):
            counted.add(id(call.func))
            if not _stands_free([node for node in outer if node not in own]):
                yield f"not made in any case: {first_line(call)!r}"
        for node in ast.walk(tree):
            if isinstance(node, ast.Name) and node.id == "check" and id(node) not in counted:
                yield "check is used without being called"
        called |= {name for name, _ in helper_calls(tree, helpers)}
    yield from (f"{name} checks something and is never called" for name in set(helpers) - called)


def _stands_free(outer):
    expression, *blocks = outer
    return isinstance(expression, ast.Expr) and all(
        isinstance(block, ast.For | ast.Module) for block in blocks
    )


def helper_calls(tree, helpers):
    """Return (name, call) of the calls of functions that check, where they stand free."""
    found = []

    def visit(statements):
        for node in statements:
            if isinstance(node, ast.For):
                visit(node.body)
            elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
                name = getattr(node.value.func, "id", None)
                if name in helpers:
                    found.append((name, node.value))

    visit(tree.body)
    return found


def each_bound_asks_something(book):
    """No bound is infinite, beyond all measures, or a number that is no number."""
    for cell in code_cells(book):
        for call, _ in calls_of_check(tree_of(cell)):
            bounds = call.args[2:] + [k.value for k in call.keywords if k.arg != "value"]
            if not bounds:
                yield f"no bound: {first_line(call)!r}"
            for bound in bounds:
                if _asks_nothing(bound):
                    yield f"a bound that asks nothing: {first_line(call)!r}"
            value = call.args[1:2] + [k.value for k in call.keywords if k.arg == "value"]
            if not any(isinstance(n, ast.Name) for v in value for n in ast.walk(v)):
                yield f"nothing is measured: {first_line(call)!r}"


def _asks_nothing(bound):
    words = {"inf", "nan", "infinity", "infty", "pinf", "ninf", "maxsize", "finfo", "iinfo", "huge"}
    for node in ast.walk(bound):
        word = getattr(node, "id", getattr(node, "attr", getattr(node, "value", "")))
        if isinstance(word, str) and word.strip("+- ").lower() in words:
            return True
        if isinstance(word, bool) or word is None and isinstance(node, ast.Constant):
            return True
    if any(isinstance(node, ast.Name) for node in ast.walk(bound)):
        return False  # What it comes to is printed: `printed` looks at that.
    try:
        value = eval(compile(ast.Expression(bound), "bound", "eval"), {"__builtins__": {}})
        return not math.isfinite(value) or abs(value) >= TOO_FAR
    except Exception:  # No number at all.
        return True


RULES = (
    code_is_plain_python,
    nothing_hides_code,
    check_is_the_courses_own,
    each_check_is_made,
    each_bound_asks_something,
)
