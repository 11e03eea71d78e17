"""What a mutant is: one small change of a file's syntax tree, as a slip of the hand makes it.

`mutants_of` lists all that a file can have, always in the same order. A mutant is named by its
place in that list; `Mutant.tree` makes the changed tree, whose line numbers are the file's own.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from dataclasses import dataclass

_COMPARED: dict[type[ast.cmpop], tuple[type[ast.cmpop], ...]] = {
    ast.Lt: (ast.LtE, ast.GtE),
    ast.LtE: (ast.Lt, ast.Gt),
    ast.Gt: (ast.GtE, ast.LtE),
    ast.GtE: (ast.Gt, ast.Lt),
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
    ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
}
_CALCULATED: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.Mod: ast.FloorDiv,
    ast.Pow: ast.Mult,
}
_SAME_OR_ABSURD = {
    *("array_equal", "max", "maximum", "min", "minimum", "multiply"),
    *("getattr", "hasattr", "isinstance", "setattr"),
}
"""Swapped arguments of these change nothing, or break at the first call."""
_NO_BEHAVIOUR = {"cast", "TypeVar", "ParamSpec", "overload", "Protocol"}
"""What has a meaning for the type checker alone."""

_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)

Change = Callable[[], None]


@dataclass(frozen=True)
class Mutant:
    """One change of one file."""

    file: str
    number: int
    """Its place in the list of the file's mutants."""
    kind: str
    line: int
    lines: tuple[int, ...]
    """The lines of what is changed: one of them is executed if the change can have an effect."""
    statement: int
    """The line at which the statement around it begins."""
    function: str
    """The function around it, as ``turn_window.start.close``; "" in none."""
    in_body: bool
    """Whether it is within the body of a function, and not in what runs as the file is imported."""
    before: str
    after: str

    @property
    def name(self) -> str:
        """Its name in tables: survivors are recognised by it, wherever the line moves."""
        return f"{self.before} -> {self.after}"


def mutants_of(file: str, source: str) -> list[Mutant]:
    """All mutants of a file."""
    return [it for it, _ in _Mutator(file, ast.parse(source)).all()]


def mutated(file: str, source: str, number: int) -> ast.Module:
    """The tree of the file with its mutant of that number."""
    mutator = _Mutator(file, ast.parse(source))
    for mutant, change in mutator.all():
        if mutant.number == number:
            change()
            return ast.fix_missing_locations(mutator.tree)
    raise ValueError(f"{file} has no mutant {number}")


class _Mutator:
    """Walks a tree and finds what can be changed."""

    def __init__(self, file: str, tree: ast.Module) -> None:
        self.file = file
        self.tree = tree
        self._names: list[str] = []
        self._outer: list[set[str]] = []  # of the functions around, the names that are outer ones
        self._statement = 1  # the line at which the statement around begins

    def all(self) -> Iterator[tuple[Mutant, Change]]:
        found: list[tuple[Mutant, Change]] = []
        self._walk(self.tree, found)
        yield from found

    def _walk(self, node: ast.AST, found: list[tuple[Mutant, Change]]) -> None:
        if self._is_for_types(node):
            return
        if isinstance(node, ast.stmt):
            self._statement = node.lineno
        self._find(self._changes(node), found)
        if isinstance(node, (*_FUNCTIONS, ast.ClassDef)):
            self._walk_definition(node, found)
            return
        self._find(self._removals(node), found)
        for child in ast.iter_child_nodes(node):
            self._walk(child, found)

    def _find(
        self,
        changes: Iterator[tuple[str, ast.AST, str, str, Change]],
        found: list[tuple[Mutant, Change]],
    ) -> None:
        for kind, place, before, after, change in changes:
            mutant = Mutant(
                self.file,
                len(found),
                kind,
                place.lineno,  # type: ignore[attr-defined]
                _lines(place),
                self._statement,
                ".".join(self._names),
                bool(self._outer),
                _short(before),
                _short(after),
            )
            found.append((mutant, change))

    def _walk_definition(
        self,
        node: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda | ast.ClassDef,
        found: list[tuple[Mutant, Change]],
    ) -> None:
        is_class = isinstance(node, ast.ClassDef)
        if not is_class:  # defaults belong to what is around the function
            for default in (*node.args.defaults, *node.args.kw_defaults):
                if default is not None:
                    self._walk(default, found)
            self._outer.append(_outer_names(node))
        if not isinstance(node, ast.Lambda):
            self._names.append(node.name)
        self._find(self._removals(node), found)
        for child in [node.body] if isinstance(node, ast.Lambda) else node.body:
            self._walk(child, found)
        if not isinstance(node, ast.Lambda):
            self._names.pop()
        if not is_class:
            self._outer.pop()

    def _is_for_types(self, node: ast.AST) -> bool:
        if isinstance(node, ast.AnnAssign):
            return node.value is None or "TypeAlias" in ast.unparse(node.annotation)
        if isinstance(node, ast.Assign):
            named = [it.id for it in node.targets if isinstance(it, ast.Name)]
            return named in (["__all__"], ["__slots__"]) or _called(node.value) in _NO_BEHAVIOUR
        if isinstance(node, ast.If):
            return ast.unparse(node.test) == "TYPE_CHECKING"
        if isinstance(node, ast.ClassDef):
            return any("Protocol" in ast.unparse(it) for it in node.bases)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            marks = {ast.unparse(it) for it in node.decorator_list}
            return bool(marks & {"overload", "abstractmethod"})
        return isinstance(node, ast.Import | ast.ImportFrom | ast.arguments | ast.JoinedStr)

    def _changes(self, node: ast.AST) -> Iterator[tuple[str, ast.AST, str, str, Change]]:
        """Each change of this node: its kind, the place, what stood there, what stands then."""
        if isinstance(node, ast.Compare):
            yield from self._comparisons(node)
        elif isinstance(node, ast.BoolOp):
            yield from self._booleans(node)
        elif isinstance(node, ast.BinOp | ast.AugAssign):
            yield from self._arithmetic(node)
        elif isinstance(node, ast.Constant):
            yield from self._constants(node)
        elif isinstance(node, ast.Call):
            yield from self._arguments(node)
        if isinstance(node, ast.If | ast.While | ast.IfExp) and not _is_one_comparison(node.test):
            yield self._negated(node, "test")
        elif isinstance(node, ast.Return) and node.value is not None:
            yield from self._returned(node)
        elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
            yield self._replaced(
                "arithmetic", node, lambda: ast.unparse(node.operand), "op", ast.UAdd()
            )
        elif isinstance(node, ast.ExceptHandler):
            yield self._raises_on(node)

    def _removals(self, node: ast.AST) -> Iterator[tuple[str, ast.AST, str, str, Change]]:
        for _, statements in ast.iter_fields(node):
            if isinstance(statements, list):
                yield from self._removed(statements)

    def _comparisons(self, node: ast.Compare) -> Iterator[tuple[str, ast.AST, str, str, Change]]:
        for at, operator in enumerate(node.ops):
            for other in _COMPARED[type(operator)]:
                with_other = ast.Compare(
                    node.left, [*node.ops[:at], other(), *node.ops[at + 1 :]], node.comparators
                )
                yield (
                    *("comparison", node, ast.unparse(node), ast.unparse(with_other)),
                    _setting(node, "ops", with_other.ops),
                )

    def _booleans(self, node: ast.BoolOp) -> Iterator[tuple[str, ast.AST, str, str, Change]]:
        other = ast.And() if isinstance(node.op, ast.Or) else ast.Or()
        swapped = ast.unparse(ast.BoolOp(other, node.values))
        yield "boolean", node, ast.unparse(node), swapped, _setting(node, "op", other)
        for at in range(len(node.values)):
            fewer = [*node.values[:at], *node.values[at + 1 :]]
            left = ast.unparse(ast.BoolOp(node.op, fewer) if len(fewer) > 1 else fewer[0])
            yield "boolean", node, ast.unparse(node), left, _setting(node, "values", fewer)

    def _arithmetic(
        self, node: ast.BinOp | ast.AugAssign
    ) -> Iterator[tuple[str, ast.AST, str, str, Change]]:
        sides = [node.left, node.right] if isinstance(node, ast.BinOp) else [node.value]
        if any(isinstance(it, ast.JoinedStr) or _is_text(it) for it in sides):
            return
        other = _CALCULATED.get(type(node.op))
        if other is not None:
            yield self._replaced("arithmetic", node, lambda: ast.unparse(node), "op", other())

    def _constants(self, node: ast.Constant) -> Iterator[tuple[str, ast.AST, str, str, Change]]:
        if isinstance(node.value, bool):
            others: list[object] = [not node.value]
        elif isinstance(node.value, int | float):
            others = [node.value + 1, node.value - 1]
        else:
            return
        for other in others:
            yield "constant", node, repr(node.value), repr(other), _setting(node, "value", other)

    def _arguments(self, node: ast.Call) -> Iterator[tuple[str, ast.AST, str, str, Change]]:
        if _called(node) in _NO_BEHAVIOUR | _SAME_OR_ABSURD or any(
            isinstance(it, ast.Starred) for it in node.args
        ):
            return
        for at in range(len(node.args) - 1):
            first, second = node.args[at : at + 2]
            if ast.dump(first) != ast.dump(second):
                swapped = [*node.args[:at], second, first, *node.args[at + 2 :]]
                after = ast.unparse(ast.Call(node.func, swapped, node.keywords))
                yield "argument", node, ast.unparse(node), after, _setting(node, "args", swapped)

    def _returned(self, node: ast.Return) -> Iterator[tuple[str, ast.AST, str, str, Change]]:
        # Where a bool is wanted, None is as good as False.
        if isinstance(node.value, ast.Constant) and node.value.value in (None, False):
            return
        nothing = ast.copy_location(ast.Constant(None), node)
        yield "return", node, ast.unparse(node), "return None", _setting(node, "value", nothing)
        if isinstance(node.value, ast.BoolOp) or _is_not(node.value):
            yield self._negated(node, "value")

    def _removed(self, statements: list[object]) -> Iterator[tuple[str, ast.AST, str, str, Change]]:
        for at, it in enumerate(statements):
            if not isinstance(it, ast.stmt) or not _is_removable(it, self._outer):
                continue
            kind = "exception" if isinstance(it, ast.Raise) else "statement"
            nothing = ast.copy_location(ast.Pass(), it)
            yield kind, it, ast.unparse(it), "pass", _placing(statements, at, nothing)

    def _raises_on(self, handler: ast.ExceptHandler) -> tuple[str, ast.AST, str, str, Change]:
        again = ast.copy_location(ast.Raise(), handler)
        head = "except" if handler.type is None else f"except {ast.unparse(handler.type)}"
        return (
            "exception",
            handler,
            f"{head}: ...",
            f"{head}: raise",
            _setting(handler, "body", [again]),
        )

    def _negated(self, node: ast.AST, field: str) -> tuple[str, ast.AST, str, str, Change]:
        test: ast.expr = getattr(node, field)
        negated = test.operand if _is_not(test) else ast.UnaryOp(ast.Not(), test)
        ast.copy_location(negated, test)
        return (
            "negation",
            test,
            ast.unparse(test),
            ast.unparse(negated),
            _setting(node, field, negated),
        )

    def _replaced(
        self, kind: str, node: ast.AST, show: Callable[[], str], field: str, other: ast.AST
    ) -> tuple[str, ast.AST, str, str, Change]:
        before, own = ast.unparse(node), getattr(node, field)
        setattr(node, field, other)
        after = ast.unparse(node)
        setattr(node, field, own)
        return kind, node, before, after, _setting(node, field, other)


def _lines(place: ast.AST) -> tuple[int, ...]:
    if isinstance(place, ast.ExceptHandler):
        return (place.body[0].lineno,)
    first: int = place.lineno  # type: ignore[attr-defined]
    last: int = place.end_lineno  # type: ignore[attr-defined]
    return tuple(range(first, last + 1))


def _outer_names(function: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda) -> set[str]:
    body = [] if isinstance(function, ast.Lambda) else function.body
    return {name for it in body if isinstance(it, ast.Nonlocal | ast.Global) for name in it.names}


def _setting(node: ast.AST, field: str, value: object) -> Change:
    def change() -> None:
        setattr(node, field, value)
        if isinstance(node, ast.BoolOp) and len(node.values) == 1:
            # ``True and a`` is ``a``, and so is ``False or a``.
            node.values.insert(0, ast.Constant(isinstance(node.op, ast.And)))

    return change


def _placing(statements: list[object], at: int, statement: ast.stmt) -> Change:
    def change() -> None:
        statements[at] = statement

    return change


def _is_removable(it: ast.stmt, outer: list[set[str]]) -> bool:
    """Whether something else than a `NameError` can come of it."""
    if isinstance(it, ast.Expr):
        return not isinstance(it.value, ast.Constant)
    if isinstance(it, ast.AnnAssign) and it.value is None:
        return False
    if isinstance(it, ast.Assign | ast.AnnAssign):
        targets = it.targets if isinstance(it, ast.Assign) else [it.target]
        return bool(outer) and all(
            t.id in outer[-1] if isinstance(t, ast.Name) else not isinstance(t, ast.Tuple)
            for t in targets
        )
    if isinstance(it, ast.Return):
        return it.value is None
    return isinstance(it, ast.AugAssign | ast.Raise | ast.Delete | ast.Break | ast.Continue)


def _is_not(node: ast.AST | None) -> bool:
    return isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not)


def _is_one_comparison(node: ast.AST) -> bool:
    """Whether a mutant of the comparison is the negation."""
    return isinstance(node, ast.Compare) and len(node.ops) == 1


def _is_text(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str)


def _called(node: ast.AST) -> str:
    if not isinstance(node, ast.Call):
        return ""
    return ast.unparse(node.func).rpartition(".")[2]


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= 100 else f"{line[:97]}..."
