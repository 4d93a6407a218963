"""What an expression depends on: the half of `flow` that reads expressions."""

import ast
from collections import ChainMap
from dataclasses import dataclass, field

from notebook_rules.syntax import computes, is_stored, is_table, is_tiny, names_in, root_of

LIVE = "live"
NOTHING = frozenset()
FRAMEWORKS = {"torch", "torchvision", "tensorflow", "keras"}
# They tell how much there is, or that there is something, and never how good it is.
SIZES = {"len", "type", "isinstance", "id", "hash", "hasattr", "callable", "bool", "print", "repr"}
SIZES |= {"shape", "size", "ndim", "dtype", "nbytes", "itemsize", "zeros_like", "ones_like"}
SIZES |= {"full_like", "empty_like", "isfinite", "isnan"}
LIMITS = {"min", "max", "clip", "minimum", "maximum", "fmin", "fmax", "nan_to_num"}
ALIASES = ast.Name | ast.Dict | ast.List | ast.Tuple | ast.Lambda  # They hold what they name.
DEPTH = 8


@dataclass(frozen=True)
class Made:
    """What one statement of an ignored cell made; `what` is for messages."""

    cell: int
    place: int
    what: str


@dataclass
class Check:
    """A call of `check`: its cell, and on what the value and the bounds depend."""

    cell: int
    call: ast.Call
    value: frozenset
    bounds: frozenset


@dataclass
class Values:
    """What the names of a notebook depend on, after the cells that were read so far."""

    labels: ChainMap = field(default_factory=ChainMap)
    functions: ChainMap = field(default_factory=ChainMap)
    modules: dict = field(default_factory=dict)
    holds: dict = field(default_factory=dict)
    aliases: dict = field(default_factory=dict)
    checks: list = field(default_factory=list)
    cell: int = -1
    stack: tuple = ()
    returned: frozenset = NOTHING

    # --- names -----------------------------------------------------------------------------------

    def _add(self, name, found):
        if name:
            self.labels[name] = self.labels.get(name, NOTHING) | found

    def _bind(self, target, value):
        """Bind a target to an expression; a tuple to a tuple one by one."""
        if (
            isinstance(target, ast.Tuple | ast.List)
            and isinstance(value, ast.Tuple | ast.List)
            and len(target.elts) == len(value.elts)
            and not any(isinstance(e, ast.Starred) for e in (*target.elts, *value.elts))
        ):
            pairs = [(t, self.eval(v), v) for t, v in zip(target.elts, value.elts, strict=True)]
            for one, found, source in pairs:
                self._set(one, found, names_in(source), source)
        else:
            siblings = {root_of(n) for n in ast.walk(target) if is_stored(n)} - {None}
            self._set(target, self.eval(value), names_in(value) | siblings, value)

    def _bind_item(self, target, iterable):
        """Bind a loop's target to the items of an expression."""
        several = isinstance(target, ast.Tuple | ast.List)
        called = iterable.func if isinstance(iterable, ast.Call) else None
        name = getattr(called, "id", getattr(called, "attr", ""))
        if several and name == "zip" and len(iterable.args) == len(target.elts):
            for one, part in zip(target.elts, iterable.args, strict=True):
                self._bind_item(one, part)
        elif several and name == "enumerate" and len(target.elts) == 2:
            self._set(target.elts[0], NOTHING, set())
            self._bind_item(target.elts[1], iterable.args[0])
        elif several and name == "items" and len(target.elts) == 2:
            self._set(target.elts[0], NOTHING, set())
            self._set(target.elts[1], self.eval(called.value), names_in(called))
        elif several and is_table(iterable, len(target.elts)):
            for place, one in enumerate(target.elts):
                column = ast.Tuple([row.elts[place] for row in iterable.elts], ast.Load())
                self._set(one, self.eval(column), names_in(column))
        else:
            self._set(target, self.eval(iterable), names_in(iterable))

    def _set(self, target, found, sources, value=None):
        if isinstance(target, ast.Name):
            self.aliases.pop(target.id, None)
            if (
                isinstance(value, ALIASES)
                and not computes(value)
                and target.id not in names_in(value)
            ):
                self.aliases[target.id] = value
        for node in ast.walk(target):
            if isinstance(node, ast.Name) and is_stored(node):
                self.labels[node.id] = found
                self.functions.pop(node.id, None) if node.id in self.functions.maps[0] else None
                self.holds[node.id] = set(sources) - {node.id}
            elif isinstance(node, ast.Attribute | ast.Subscript) and is_stored(node):
                self._add(root_of(node), found)
                self.holds.setdefault(root_of(node), set()).update(sources)

    # --- expressions -----------------------------------------------------------------------------

    def eval(self, node):
        """Return the labels of an expression."""
        handler = getattr(self, f"_eval_{type(node).__name__}", self._eval_any)
        return handler(node)

    def _eval_any(self, node):
        found = NOTHING
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.expr | ast.keyword):
                found |= self.eval(child)
        return found

    def _eval_keyword(self, node):
        return self.eval(node.value)

    def _eval_Name(self, node):
        function = self.functions.get(node.id)
        if node.id in self.aliases and node.id not in self.stack:
            inner = self._inside(node.id)
            return self.labels.get(node.id, NOTHING) | inner.eval(self.aliases[node.id])
        if function is None or node.id in self.stack:
            return self.labels.get(node.id, NOTHING)
        inner = self._inside(node.id)
        return frozenset().union(
            *(inner.eval(ast.Name(name)) for name in names_in(function) if name != node.id)
        )

    def _eval_Attribute(self, node):
        return NOTHING if node.attr in SIZES else self.eval(node.value)

    def _eval_NamedExpr(self, node):
        self._bind(node.target, node.value)
        return self.eval(node.value)

    def _eval_Lambda(self, node):
        inner = self._inside("")
        for argument in ast.walk(node.args):
            if isinstance(argument, ast.arg):
                inner.labels[argument.arg] = NOTHING
                inner.aliases.pop(argument.arg, None)
        return inner.eval(node.body) | self._eval_any(node.args)

    def _eval_ListComp(self, node):
        inner = self._inside("")
        for part in node.generators:
            inner._bind_item(part.target, part.iter)
        kept = [test for part in node.generators for test in part.ifs]
        results = [node.key, node.value] if isinstance(node, ast.DictComp) else [node.elt]
        return frozenset().union(*(inner.eval(part) for part in (*results, *kept)))

    _eval_GeneratorExp = _eval_SetComp = _eval_DictComp = _eval_ListComp

    def _eval_Compare(self, node):
        if any(isinstance(op, ast.Is | ast.IsNot) for op in node.ops):
            return NOTHING
        if isinstance(node.ops[0], ast.In | ast.NotIn):
            return self.eval(node.left)
        same = len({ast.dump(part) for part in (node.left, *node.comparators)}) == 1
        return NOTHING if same else self._eval_any(node)

    def _eval_BoolOp(self, node):
        fixed = any(isinstance(value, ast.Constant) for value in node.values)
        return NOTHING if fixed else self._eval_any(node)

    def _eval_IfExp(self, node):
        same = ast.dump(node.body) == ast.dump(node.orelse)
        return NOTHING if same and not self.eval(node.body) else self._eval_any(node)

    def _eval_BinOp(self, node):
        same = ast.dump(node.left) == ast.dump(node.right)
        if same and isinstance(node.op, ast.Sub | ast.Div | ast.FloorDiv | ast.Mod | ast.BitXor):
            return NOTHING
        if isinstance(node.op, ast.Mult | ast.Pow) and any(
            isinstance(part, ast.Constant) and isinstance(part.value, int | float) and is_tiny(part)
            for part in (node.left, node.right)
        ):
            return NOTHING
        return self._eval_any(node)

    def _eval_Call(self, node):
        name = node.func.id if isinstance(node.func, ast.Name) else ""
        called = name or getattr(node.func, "attr", "")
        if name == "check":
            return self._check(node)
        given = [self.eval(part) for part in node.args]
        named = {keyword.arg: self.eval(keyword.value) for keyword in node.keywords}
        if called in SIZES:
            return NOTHING
        if name in self.functions and name not in self.stack and len(self.stack) < DEPTH:
            return self._call(self.functions[name], node, given, named)
        receiver = self.eval(node.func)
        if called in LIMITS and not self.stack:
            parts = given if name or self._module(node) else [receiver, *given]
            if len(parts) > 1 and not all(parts):
                return NOTHING
        found = frozenset().union(receiver, *given, *named.values())
        return found | {LIVE} if self._module(node) in FRAMEWORKS or called == "train" else found

    def _module(self, call):
        return self.modules.get(root_of(call.func))

    def _check(self, node):
        value = [*node.args[1:2], *(k.value for k in node.keywords if k.arg == "value")]
        others = (k.value for k in node.keywords if k.arg not in ("value", "what"))
        value = frozenset().union(*map(self.eval, value))
        # As inside a function: there a limit such as min(0.5, x) keeps the label of x.
        inside = self._inside("check")
        bounds = frozenset().union(*map(inside.eval, (*node.args[2:], *others)))
        self.checks.append(Check(self.cell, node, value, bounds))
        return NOTHING

    def _inside(self, name):
        """Return the state inside a function: it sees what is outside, but changes nothing."""
        return type(self)(
            labels=self.labels.new_child(),
            functions=self.functions.new_child(),
            modules=self.modules,
            holds=dict(self.holds),
            aliases=dict(self.aliases),
            checks=self.checks,
            cell=self.cell,
            stack=(*self.stack, name) if name else self.stack,
        )

    def _call(self, function, call, given, named):
        """Follow a call into a function that the notebook wrote."""
        every = frozenset().union(*given, *named.values())
        yields = any(isinstance(n, ast.Yield | ast.YieldFrom) for n in ast.walk(function))
        if isinstance(function, ast.ClassDef) or yields:
            return every | self._eval_Name(call.func)
        inner = self._inside(function.name)
        args = function.args
        plain = [a.arg for a in (*args.posonlyargs, *args.args)]
        spread = any(isinstance(a, ast.Starred) for a in call.args) or None in named
        for argument in (n for n in ast.walk(args) if isinstance(n, ast.arg)):
            inner.labels[argument.arg] = every if spread else NOTHING
            inner.aliases.pop(argument.arg, None)
        for argument in filter(None, (args.vararg, args.kwarg)):
            inner.labels[argument.arg] = every
        if not spread:
            inner.labels.update(zip(plain, given, strict=False))
            inner.labels.update(named)
        inner._run_all(function.body)
        return inner.returned
