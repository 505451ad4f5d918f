"""Names of the metrics that a module logs in validation, read from its source. Nothing is built or run.

The reader follows strings and torchmetrics' collections from their definitions to ``self.log`` and ``self.log_dict``,
through the module's own methods (``self._step(batch, "val")``), f-strings and ``clone(prefix=...)``. Names that it
cannot follow are left out.
"""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Iterable, Iterator
from typing import Any

SET_UP = ("__init__", "setup", "configure_model", "on_fit_start")
"""Methods that set attributes of the module."""

VALIDATION = ("validation_step", "on_validation_batch_end", "on_validation_epoch_end")
"""Methods that Lightning calls in validation."""

DEEPEST = 5
"""Largest depth of calls of the module's own methods that are followed."""

LIBRARIES = ("builtins", "torch", "pytorch_lightning", "lightning")
"""Packages whose classes are skipped, because they log none of the user's metrics."""

Value = str | list[str] | dict[str, Any] | None
"""The known value of an expression: a string, the names in a collection, a dictionary of values. None: unknown."""

Scope = dict[str, Value]
"""Variables with their known values."""


def logged_in_validation(model: type) -> list[str]:
    """Names of the metrics, in the order in which they are logged.

    Args:
        model: The class of a LightningModule. Methods without source are left out.
    """
    classes = [_methods(cls) for cls in model.__mro__ if cls.__module__.partition(".")[0] not in LIBRARIES]
    reader = _Reader({name: method for methods in reversed(classes) for name, method in methods.items()})
    for name in SET_UP:
        for methods in reversed(classes):
            if name in methods:
                reader.run(methods[name], {}, 0)
    reader.found.clear()
    for name in VALIDATION:
        if name in reader.methods:
            reader.run(reader.methods[name], {}, 0)
    return list(dict.fromkeys(reader.found))


def _methods(cls: type) -> dict[str, ast.FunctionDef]:
    """The methods that the class itself defines."""
    try:
        (tree,) = ast.parse(textwrap.dedent(inspect.getsource(cls))).body
    except (OSError, TypeError, SyntaxError, ValueError):
        return {}
    body = tree.body if isinstance(tree, ast.ClassDef) else []
    return {node.name: node for node in body if isinstance(node, ast.FunctionDef)}


class _Reader:
    """Reads methods in the order of their calls.

    Args:
        methods: The module's methods by their names.
    """

    def __init__(self, methods: dict[str, ast.FunctionDef]) -> None:
        self.methods = methods
        self.found: list[str] = []
        self.attributes: Scope = {}
        """Attributes of the module: ``self.NAME``."""

    def run(self, method: ast.FunctionDef, given: Scope, depth: int) -> None:
        """Reads a method with the known values of its arguments."""
        if depth <= DEEPEST:
            defaults = zip(reversed(method.args.args), reversed(method.args.defaults), strict=False)
            scope = {argument.arg: self._value(node, {}) for argument, node in defaults}
            self._read(method.body, {**scope, **given}, depth)

    def _read(self, body: Iterable[ast.stmt], scope: Scope, depth: int) -> None:
        """Reads statements in order: all branches, and each iteration of a loop over known names."""
        for statement in body:
            inner = [getattr(statement, name, []) for name in ("body", "orelse", "finalbody", "handlers")]
            blocks = [
                block.body if isinstance(block, ast.ExceptHandler) else [block] for part in inner for block in part
            ]
            if isinstance(statement, ast.For):
                for name in self._iterated(statement.iter, scope) or [None]:
                    self._read(statement.body, {**scope, **_bound(statement.target, name)}, depth)
                continue
            if not blocks:
                self._read_calls(statement, scope, depth)
                self._assign(statement, scope)
            for block in blocks:
                self._read(block, scope, depth)

    def _read_calls(self, statement: ast.stmt, scope: Scope, depth: int) -> None:
        for call in (node for node in ast.walk(statement) if isinstance(node, ast.Call)):
            called = _own(call.func) or ""
            if called in ("log", "log_dict"):
                self.found += self._names(call, called, scope)
            elif (method := self.methods.get(called)) is not None:
                parameters = [argument.arg for argument in method.args.args[1:]]
                given = [*zip(parameters, call.args, strict=False)]
                given += [(keyword.arg, keyword.value) for keyword in call.keywords if keyword.arg is not None]
                self.run(method, {parameter: self._value(node, scope) for parameter, node in given}, depth + 1)

    def _assign(self, statement: ast.stmt, scope: Scope) -> None:
        """Notes the value that a statement assigns to a variable or to the module."""
        if not isinstance(statement, ast.Assign | ast.AnnAssign) or statement.value is None:
            return
        value = self._value(statement.value, scope)
        for target in statement.targets if isinstance(statement, ast.Assign) else [statement.target]:
            if isinstance(target, ast.Name):
                scope[target.id] = value
            elif (name := _own(target)) is not None:
                self.attributes[name] = value

    def _names(self, call: ast.Call, called: str, scope: Scope) -> Iterator[str]:
        arguments = [
            *call.args[:1],
            *(keyword.value for keyword in call.keywords if keyword.arg in ("name", "dictionary")),
        ]
        for argument in arguments[:1]:
            value = self._value(argument, scope)
            if called == "log" and isinstance(value, str):
                yield value
            elif called == "log_dict" and isinstance(value, list | dict):
                yield from value

    def _value(self, node: ast.AST, scope: Scope) -> Value:
        """The known value of an expression."""
        match node:
            case ast.Constant(value=str(text)):
                return text
            case ast.Name(id=name):
                return scope.get(name)
            case ast.Attribute():
                return self.attributes.get(_own(node) or "")
            case ast.JoinedStr(values=parts):
                known = [
                    self._value(getattr(part, "value", part) if isinstance(part, ast.FormattedValue) else part, scope)
                    for part in parts
                ]
                return "".join(map(str, known)) if all(isinstance(part, str) for part in known) else None
            case ast.BinOp(left=left, op=ast.Add(), right=right):
                both = self._value(left, scope), self._value(right, scope)
                return f"{both[0]}{both[1]}" if all(isinstance(part, str) for part in both) else None
            case ast.Dict(keys=keys, values=values):
                pairs = [(self._value(key, scope), value) for key, value in zip(keys, values, strict=True) if key]
                return {key: self._value(value, scope) for key, value in pairs if isinstance(key, str)}
            case ast.DictComp(key=key, value=value, generators=[over]):
                return self._comprehension(key, value, over, scope)
            case ast.Subscript(value=outer, slice=inner):
                return _item(self._value(outer, scope), self._value(inner, scope))
            case ast.Call():
                return self._called(node, scope)
        return None

    def _comprehension(self, key: ast.expr, value: ast.expr, over: ast.comprehension, scope: Scope) -> Value:
        """A dictionary comprehension over known names: ``{f"val_{k}": v for k, v in x.items()}``."""
        scopes = [{**scope, **_bound(over.target, name)} for name in self._iterated(over.iter, scope)]
        pairs = [(self._value(key, inner), self._value(value, inner)) for inner in scopes]
        return {name: made for name, made in pairs if isinstance(name, str)}

    def _iterated(self, over: ast.expr, scope: Scope) -> list[Value]:
        """The strings that a loop iterates over."""
        if isinstance(over, ast.List | ast.Tuple | ast.Set):
            return [self._value(item, scope) for item in over.elts]
        known = self._value(over, scope)
        return [*known] if isinstance(known, list | dict) else []

    def _called(self, call: ast.Call, scope: Scope) -> Value:
        """The return value of a call: a new collection, a clone of one, or the computed values of one."""
        name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
        words = {keyword.arg: self._value(keyword.value, scope) for keyword in call.keywords}
        first = call.args[0] if call.args else None
        if name in ("dict", "ModuleDict"):
            return self._value(first, scope) if first is not None else dict(words)  # type: ignore[arg-type]
        if name == "MetricCollection" and first is not None:
            inner = self._value(first, scope)
            items = first.elts if isinstance(first, ast.List | ast.Tuple) else []
            names = (
                list(inner) if isinstance(inner, list | dict) else [known for item in items if (known := _metric(item))]
            )
            return _Collection(names, words)
        if isinstance(call.func, ast.Attribute):
            of = self._value(call.func.value, scope)
            if name == "clone":
                return _Collection(of.names, {**of.words, **words}) if isinstance(of, _Collection) else of
            if name in ("compute", "items", "copy"):
                return of
        kept = self._value(call.func, scope)
        return kept if isinstance(kept, list) else None  # a collection called with a batch


class _Collection(list[str]):
    """The names that a collection of metrics logs.

    Args:
        names: Names of its metrics.
        words: Its keyword arguments; ``prefix`` and ``postfix`` are used.
    """

    def __init__(self, names: list[str], words: dict[str | None, Value]) -> None:
        self.names, self.words = names, words
        super().__init__(f"{words.get('prefix') or ''}{name}{words.get('postfix') or ''}" for name in names)


def _metric(node: ast.expr) -> str | None:
    """The name of a metric in a collection made of a list: that of its class, such as ``BinaryAccuracy``."""
    if not isinstance(node, ast.Call):
        return None
    name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", None)
    task = next((keyword.value for keyword in node.keywords if keyword.arg == "task"), None)
    of_task = isinstance(task, ast.Constant) and task.value in ("binary", "multiclass", "multilabel")
    return f"{task.value.title()}{name}" if name and of_task else name  # type: ignore[union-attr]


def _bound(target: ast.expr, name: Value) -> Scope:
    """The variable of a loop, or the first of a pair of variables."""
    first = target.elts[0] if isinstance(target, ast.Tuple) else target
    return {first.id: name} if isinstance(first, ast.Name) else {}


def _item(table: Value, key: Value) -> Value:
    item: Value = table.get(key) if isinstance(table, dict) and isinstance(key, str) else None
    return item


def _own(node: ast.AST) -> str | None:
    """``NAME`` of ``self.NAME``."""
    match node:
        case ast.Attribute(value=ast.Name(id="self"), attr=name):
            return name
    return None
