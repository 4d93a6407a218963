"""Where values come from: does a check depend on what an ignored cell made?

A notebook's cells are read in order, as Python would run them, with *labels* in place of values.
A label says what a value depends on: LIVE on something that is trained or drawn from a network,
and a `Made` on one statement of one ignored cell. Labels follow assignments, loops,
comprehensions and the notebook's own functions; they are lost where the value is
(`0 * x`, `len(x)`, `x is None`, `max(0.7, x)`, or a constant assigned anew).
"""

import ast
import builtins

from notebook_rules.cells import first_line
from notebook_rules.syntax import is_stored, names_in, root_of
from notebook_rules.values import LIVE, NOTHING, Made, Values


class Flow(Values):
    """Reads the cells of a notebook, one after the other."""

    def read(self, index, tree, ignored):
        """Read one cell; return what an ignored one made, which gets labels of its own.

        That is what each of its statements makes that trains; or, without a training, what the
        cell computes or draws.
        """
        self.cell = index
        trains = [s for s in tree.body if self.trains(s)] if ignored else []
        found = []
        for place, statement in enumerate(tree.body):
            self.run(statement)
            if statement in trains:
                found.append(Made(index, place, first_line(statement)))
                self._label(self._touched(statement), found[-1])
        if ignored and tree.body and not trains and (shown := self._shown(tree)):
            found.append(Made(index, 0, first_line(tree.body[-1])))
            self._label(shown, found[-1])
        return found

    def _label(self, names, made):
        for name in names:
            self._add(name, frozenset([made]))

    def _shown(self, tree):
        """Return what is computed or drawn, and if it is only drawn, what was made with it."""
        shown = {n for n in names_in(tree) if LIVE in self.eval(ast.Name(n))}
        stored = {root_of(n) for n in ast.walk(tree) if is_stored(n)}
        loops = (n for n in ast.walk(tree) if isinstance(n, ast.For | ast.comprehension))
        loops = {name for loop in loops for name in names_in(loop.target)}
        if shown & (stored - loops):
            return shown
        origins = frozenset().union(*(self.eval(ast.Name(n)) for n in shown)) - {LIVE}
        return shown | {n for n, found in self.labels.items() if found & origins}

    def trains(self, node, seen=()):
        """Whether `train` is called here, or in a notebook's function that is called here."""
        for name in names_in(node):
            if name == "train":
                return True
            inside = self.functions.get(name) if name not in seen else None
            if inside and self.trains(inside, (*seen, name)):
                return True
        return False

    def _touched(self, statement):
        """Return the names that a training statement binds, and the live ones it is given."""
        names = {root_of(n) for n in ast.walk(statement) if is_stored(n)} - {None}
        for part in (n for n in ast.walk(statement) if isinstance(n, ast.comprehension)):
            for name in names_in(part.target):
                self.holds[name] = names_in(part.iter)
        calls = [n for n in ast.walk(statement) if isinstance(n, ast.Call) and self.trains(n)]
        waiting = set().union(*map(names_in, calls))
        while waiting:
            name = waiting.pop()
            names.add(name)
            waiting |= self.holds.get(name, set()) - names
        return {n for n in names if LIVE in self.labels.get(n, NOTHING)}

    # --- statements ------------------------------------------------------------------------------

    def run(self, node):
        """Follow one statement."""
        handler = getattr(self, f"_run_{type(node).__name__}", self._run_any)
        handler(node)

    def _run_all(self, statements):
        for statement in statements:
            self.run(statement)

    def _run_any(self, node):
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.expr):
                self.eval(child)
            elif isinstance(child, ast.stmt):
                self.run(child)

    def _run_Import(self, node):
        for alias in node.names:
            name = alias.asname or alias.name.partition(".")[0]
            module = getattr(node, "module", None) or alias.name
            self.modules[name] = module.partition(".")[0]
            self.labels[name] = NOTHING

    _run_ImportFrom = _run_Import

    def _run_FunctionDef(self, node):
        self.functions[node.name] = node
        self.holds[node.name] = names_in(node) - {node.name}
        self.labels[node.name] = NOTHING

    _run_ClassDef = _run_AsyncFunctionDef = _run_FunctionDef

    def _run_Return(self, node):
        if node.value:
            self.returned |= self.eval(node.value)

    def _run_Assign(self, node):
        for target in node.targets:
            self._bind(target, node.value)

    def _run_AnnAssign(self, node):
        if node.value:
            self._bind(node.target, node.value)

    def _run_AugAssign(self, node):
        self._add(root_of(node.target), self.eval(node.value))

    def _run_For(self, node):
        for _ in range(2):  # A second round sees what the first one left.
            self._bind_item(node.target, node.iter)
            self._run_all(node.body)
        self._run_all(node.orelse)

    def _run_If(self, node):
        test = self.eval(node.test)
        before, after = self.labels, []
        for body in (node.body, node.orelse):
            self.labels = before.new_child()
            self._run_all(body)
            after.append(self.labels.maps[0])
        self.labels = before
        for name in {*after[0], *after[1]}:
            old = before.get(name, NOTHING)
            one, other = (branch.get(name, old) for branch in after)
            kept = one | other if old <= one and old <= other else one & other
            self.labels[name] = kept | (test if one or other else NOTHING)

    def _run_With(self, node):
        for item in node.items:
            if item.optional_vars:
                self._bind(item.optional_vars, item.context_expr)
        self._run_all(node.body)

    def _run_Delete(self, node):
        for target in node.targets:
            if isinstance(target, ast.Name):
                self.labels[target.id] = NOTHING

    def _run_Expr(self, node):
        """A call that stands alone can only matter by what it changes."""
        found = self.eval(node.value)
        call = node.value
        if isinstance(call, ast.Call) and not self._only_shows(call.func):
            for name in {root_of(call.func), *map(root_of, call.args)} - {None}:
                if name not in self.functions and name not in self.modules:
                    self._add(name, found)

    def _only_shows(self, function):
        name = function.id if isinstance(function, ast.Name) else ""
        return hasattr(builtins, name) or name.startswith("show_") or name == "check"
