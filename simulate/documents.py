"""YAML files become frozen, validated values; every error carries file, line and column.

The only module that imports yaml or pydantic. The YAML read here is the core schema of YAML 1.2:
`no`, `on` and `off` are words, not booleans; dates stay text; a key may stand once in a mapping.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import re
import types
import typing
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import yaml

from simulate.errors import InvalidInput, Place, Problem, in_order, nearest

MAX_BYTES = 1_000_000
MAX_NODES = 200_000
MAX_DEPTH = 40
MAX_DIGITS = 18  # of a whole number: what fits a machine's integer, far beyond any statistic

T = TypeVar("T")
Path_ = tuple[str | int, ...]

_CORE = re.compile(  # the plain scalars of YAML 1.2 that are not text
    r"(?P<int>[-+]?[0-9]+|0x[0-9a-fA-F]+|0o[0-7]+)"
    r"|(?P<float>[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?)"
    r"|(?P<special>[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN))"
    r"|(?P<bool>true|True|TRUE|false|False|FALSE)"
    r"|(?P<null>~|null|Null|NULL|)")
_CORE_STARTS = "-+.0123456789~nNtTfF"  # or with nothing at all
_TEXT, _LIST, _MAP = (f"tag:yaml.org,2002:{name}" for name in ("str", "seq", "map"))


class _TooDeep(Exception):
    """A document nested beyond MAX_DEPTH: libyaml would go on until the process dies."""


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """The fast loader where libyaml is there. Plain scalars get the tags of `_CORE`, which nobody can write by hand."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.depth = 0

    def descend_resolver(self, parent: yaml.Node | None, index: Any) -> None:
        self.depth += 1
        if self.depth > MAX_DEPTH and parent is not None:
            raise _TooDeep(parent.start_mark)

    def ascend_resolver(self) -> None:
        self.depth -= 1

    def resolve(self, kind: type[yaml.Node], value: Any, implicit: tuple[bool, bool]) -> str:
        if kind is yaml.ScalarNode:  # most often a word that no other kind of value starts like
            found = _CORE.fullmatch(value) if implicit[0] and value[:1] in _CORE_STARTS else None
            return found.lastgroup or _TEXT if found else _TEXT
        return _LIST if kind is yaml.SequenceNode else _MAP


def _scalar(node: yaml.ScalarNode) -> Any:
    """Return the value of a scalar. Raises ValueError, with the remedy in its second line, for one that is refused."""
    text: str = node.value
    match node.tag:
        case "tag:yaml.org,2002:str":
            return text
        case "int":
            if len(text) > MAX_DIGITS and (length := len(text.lstrip("+-0"))) > MAX_DIGITS:
                raise ValueError(f"a whole number of {length:,} digits is too long.\nGive it in a larger unit; quote it if it is text.")
            return int(text, 0) if text[:2] in ("0x", "0o") else int(text)
        case "float":
            return float(text)
        case "special":
            return float(text.lower().replace(".", ""))
        case "bool":
            return text.lower() == "true"
        case "null":
            return None
    raise ValueError(f"the tag {_tag(node)} is not read here.\nWrite the value without a tag: 5 is a number, \"5\" is text.")


def _tag(node: yaml.Node) -> str:
    return str(node.tag).replace("tag:yaml.org,2002:", "!!")


def _key(node: yaml.Node) -> str | None:
    """Return a key as the word it is written as (2021 -> "2021"), or None where it is neither word nor whole number."""
    if not isinstance(node, yaml.ScalarNode) or node.tag not in (_TEXT, "int"):
        return None
    return str(int(node.value)) if node.tag == "int" and node.value.isdecimal() and len(node.value) <= MAX_DIGITS else str(node.value)


def _entries(node: yaml.Node) -> Iterator[tuple[str | int | None, yaml.Node, yaml.Node]]:
    """Yield step, key node and value node of a mapping, or index and twice the item of a list."""
    if isinstance(node, yaml.MappingNode):
        yield from ((_key(key), key, value) for key, value in node.value)
    elif isinstance(node, yaml.SequenceNode):
        yield from ((index, item, item) for index, item in enumerate(node.value))


def _place(file: Path, mark: Any) -> Place:
    return Place(file, mark.line + 1, mark.column + 1)


@dataclass(frozen=True)
class Document:
    """The plain data of one YAML file (every key as a word), and where each part of it stands.

    `faults` are problems of the YAML itself, each with the entry that it makes useless, if any.
    """

    file: Path
    data: Any
    digest: str
    node: yaml.Node = field(repr=False)
    faults: tuple[tuple[Path_ | None, Problem], ...] = ()

    def place(self, path: Iterable[str | int], of_key: bool = False) -> Place:
        """Return where the value (or, with `of_key`, the key) at `path` stands, else its nearest parent."""
        node, mark = self.node, self.node.start_mark
        for step in path:
            if isinstance(node, yaml.SequenceNode):
                entry = (node.value[step],) * 2 if isinstance(step, int) and step < len(node.value) else None
            else:
                entry = next(((key, value) for name, key, value in _entries(node) if name == str(step)), None)
            if entry is None:
                return _place(self.file, mark)
            node, mark = entry[1], entry[0 if of_key else 1].start_mark
        return _place(self.file, mark)

    def places(self) -> dict[str, Place]:
        """Return where every key stands, by its path joined with "/"."""
        found: dict[str, Place] = {}

        def walk(data: Any, node: yaml.Node, path: str) -> None:
            if not isinstance(data, dict | tuple):
                return
            for step, key, value in _entries(node):
                here = f"{path}/{step}" if path else str(step)
                if isinstance(data, tuple):
                    walk(data[typing.cast(int, step)], value, here)
                elif step in data and here not in found:
                    found[here] = _place(self.file, key.start_mark)
                    walk(data[step], value, here)

        walk(self.data, self.node, "")
        return found

    def holds(self, path: Path_) -> bool:
        """Whether there is anything at `path`."""
        data: Any = self.data
        for step in path:
            known = data if isinstance(data, dict) else range(len(data)) if isinstance(data, tuple) else ()
            if step not in known:
                return False
            data = data[step]
        return True

    def without(self, paths: Iterable[Path_]) -> Document:
        """Return this document without the entries at `paths`; what stands behind them in a list moves up."""
        data, node = _without(self.data, self.node, set(paths))
        return dataclasses.replace(self, data=data, node=node)


def _without(data: Any, node: yaml.Node, paths: set[Path_]) -> tuple[Any, yaml.Node]:
    if not isinstance(data, dict | tuple) or not paths:
        return data, node
    inner: dict[str | int, set[Path_]] = {}
    for path in paths:
        inner.setdefault(path[0], set()).add(path[1:])
    kept, nodes = [], []
    seen = set[str | int]()
    for step, key, value in _entries(node):
        if step is None or step in seen or () in inner.get(step, ()) or (isinstance(data, dict) and step not in data):
            continue
        seen.add(step)
        part, part_node = _without(typing.cast(Any, data)[step], value, inner.get(step, set()))
        kept.append((step, part))
        nodes.append((key, part_node) if isinstance(data, dict) else part_node)
    pruned = type(node)(node.tag, nodes, node.start_mark, node.end_mark)
    return (dict(kept) if isinstance(data, dict) else tuple(part for _, part in kept)), pruned


class _Builder:
    """Turns composed nodes into plain data: mappings, tuples and scalars."""

    def __init__(self, file: Path) -> None:
        self.file, self.count, self.size = file, 0, 0
        self.faults: list[tuple[Path_ | None, Problem]] = []

    def fault(self, node: yaml.Node, what: str, remedy: str, path: Path_ | None = None) -> None:
        self.faults.append((path, Problem(what, remedy, _place(self.file, node.start_mark))))

    def build(self, node: yaml.Node, path: Path_) -> Any:
        self.count += 1
        if isinstance(node, yaml.ScalarNode):
            self.size += len(node.value)
        if self.count > MAX_NODES or self.size > 2 * MAX_BYTES or len(path) > MAX_DEPTH:
            raise InvalidInput(Problem("the file unfolds to too many values (aliases of aliases, or nesting without end).",
                                       "Write the values out; anchors and aliases may not multiply.", _place(self.file, node.start_mark)))
        if isinstance(node, yaml.ScalarNode):
            try:
                return _scalar(node)
            except ValueError as error:
                what, _, remedy = str(error).partition("\n")
                self.fault(node, what, remedy, path)
                return None
        if node.tag not in (_LIST, _MAP):
            self.fault(node, f"the tag {_tag(node)} is not read here.", "Write the value without a tag.", path)
            return None
        if isinstance(node, yaml.SequenceNode):
            return tuple([self.build(child, (*path, index)) for index, child in enumerate(node.value)])
        result: dict[str, Any] = {}
        first: dict[str, int] = {}
        for key_node, value_node in node.value:
            key = _key(key_node)
            if key is None:
                self.fault(key_node, "a key must be a word or a whole number.", "Quote the key if it is a word.")
            elif key in result:
                self.fault(key_node, f"the key {key!r} stands twice in one mapping (first in line {first[key]}).", "Keep one of them.")
            else:
                self.count += 1
                self.size += len(key)
                first[key] = key_node.start_mark.line + 1
                result[key] = self.build(value_node, (*path, key))
        return result


def read(file: Path) -> Document:
    """Read one YAML file into plain data (mappings, tuples, scalars) with positions.

    Raises InvalidInput, with the place, for: a file that is missing, above 1 MB, not UTF-8, empty, not YAML; nesting
    without end; aliases that multiply or refer to themselves. What leaves the rest readable (a duplicate key, a tag,
    a number without end) is kept in `faults`, and raised by `validate` with all else that is wrong.
    """
    try:
        with file.open("rb") as stream:  # never more than this, whatever size a device or a pipe gives itself
            content = stream.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
        raise InvalidInput(Problem(f"cannot be read: {reason}.", "Check the path.", Place(file))) from None
    if len(content) > MAX_BYTES:
        raise InvalidInput(Problem(f"the file has more than {MAX_BYTES:,} bytes, the most that is read.",
                                   "Split it, or check that it is the file you mean.", Place(file)))
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = content[: error.start].decode("utf-8-sig", "replace")
        raise InvalidInput(Problem("is not UTF-8 text.", "Save the file as UTF-8.", _at(file, before, len(before)))) from None
    node = _compose(file, text)
    if node is None:
        raise InvalidInput(Problem("the file is empty.", "It needs at least one key.", Place(file, 1, 1)))
    builder = _Builder(file)
    data = builder.build(node, ())
    return Document(file, data, hashlib.sha256(content).hexdigest(), node, tuple(builder.faults))


def _at(file: Path, text: str, offset: int) -> Place:
    return Place(file, text.count("\n", 0, offset) + 1, offset - (text.rfind("\n", 0, offset) + 1) + 1)


def _compose(file: Path, text: str) -> yaml.Node | None:
    """Return the tree of nodes in `text`, or None if it holds none. Raises InvalidInput with the place of a syntax error."""
    odd = yaml.reader.Reader.NON_PRINTABLE.search(text)
    if odd is not None:
        raise InvalidInput(Problem(f"is not YAML: the control character U+{ord(odd[0]):04X} stands here.", "Remove it.",
                                   _at(file, text, odd.start())))
    loader = _Loader(text)
    try:
        return typing.cast("yaml.Node | None", loader.get_single_node())
    except _TooDeep as deep:
        raise InvalidInput(Problem(f"mappings and lists are nested more than {MAX_DEPTH} deep.",
                                   "No key needs so many levels: check the brackets.", _place(file, deep.args[0]))) from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        if "quoted scalar" in (error.context or "") and "end of stream" in (error.problem or ""):
            mark = error.context_mark  # where the quote opens, not the end of the file
        what, remedy = _syntax(error, text, mark)
        raise InvalidInput(Problem(f"is not YAML: {what}.", remedy, _place(file, mark) if mark else Place(file))) from None
    except yaml.YAMLError as error:
        raise InvalidInput(Problem(f"is not YAML: {str(error).splitlines()[0]}.", "Check the file.", Place(file))) from None
    finally:
        loader.dispose()


def _syntax(error: yaml.MarkedYAMLError, text: str, mark: Any) -> tuple[str, str]:
    """Return what is wrong with the YAML and what to do, in words for someone who does not know the grammar."""
    lines = text.splitlines()
    line = lines[mark.line] if mark and mark.line < len(lines) else ""
    here = line[mark.column : mark.column + 1] if mark else ""
    what = ", ".join(part for part in (error.context, error.problem) if part)
    opened = error.context_mark
    if "\t" in line[: len(line) - len(line.lstrip())] or here == "\t":
        return "a tab stands where YAML wants spaces", "Indent with spaces."
    if "cannot start any token" in what and here:
        return f"a plain word cannot start with {here!r}", "Put the word in quotes."
    if "mapping values are not allowed" in what:
        return "a colon stands where no key is expected", "Put text that holds ': ' in quotes, and check the indentation."
    if "quoted scalar" in what and "end of stream" in what:
        return "the quote that opens here is never closed", "Close it."
    if "parsing a flow" in what and "expected ','" in what and opened:
        return (f"{what.partition('expected ')[2]} is expected here, in the bracket opened at {opened.line + 1}:{opened.column + 1}",
                "Close the bracket, part its entries by commas, and put text that holds ': ' in quotes.")
    if "expected a single document" in what:
        return "a second document starts here", "Remove the line '---', or split the file."
    if "duplicate anchor" in what:
        return "an anchor (&name) of this name stands already above", "Name it otherwise; put text that starts with & in quotes."
    if "undefined alias" in what:
        return "an alias (*name) without its anchor (&name)", "Put text that starts with * in quotes."
    return what, "Check indentation, colons, brackets and quotes near this place."


@cache
def _hints(kind: type) -> dict[str, Any]:
    return typing.get_type_hints(kind)


@cache
def _validator(kind: Any) -> Any:
    from pydantic import TypeAdapter

    return TypeAdapter(kind).validator


def _inside(kind: Any, path: Iterable[str | int]) -> Any:
    """Return the type that `path` leads to inside `kind`, as far as types tell."""
    for step in (*path, None):
        while typing.get_origin(kind) in (typing.Union, types.UnionType):
            kind = next(a for a in typing.get_args(kind) if a is not type(None))
        if step is None:
            break
        if dataclasses.is_dataclass(kind):
            kind = _hints(typing.cast(type, kind)).get(str(step))
        else:
            kind = next((a for a in reversed(typing.get_args(kind)) if a is not Ellipsis), None)
    return kind


def _dotted(path: Path_) -> str:
    """Return a path as a reader would say it: levers.talent.level, period[0]; the number of a list's entry is left out."""
    start = next((i + 1 for i, step in enumerate(path[:2]) if isinstance(step, int) and len(path) > i + 1), 0)
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path[start:]).lstrip(".")


def _shown(value: Any) -> str:
    """Return a value as it would stand in a file, cut where it is long."""
    if isinstance(value, str):
        text = repr(value)
    elif isinstance(value, bool):
        text = str(value).lower()
    else:
        text = {type(None): "nothing", list: "a list", dict: "a mapping"}.get(type(value)) or str(value)
    return text if len(text) <= 60 else f"{text[:57]}…{text[-1]}"


_NUMBER = "Write a plain number: digits with at most one point, without unit, separators or quotes."


def _explain(error: typing.Mapping[str, Any], path: Path_, kind: Any) -> tuple[str, str, bool]:
    """Return what is wrong at `path`, the remedy, and whether the key (not the value) is at fault."""
    name, shown = _dotted(path), _shown(error.get("input"))
    context = error.get("ctx", {})
    prefix = f"{name}: " if name else ""
    if len(error["loc"]) > len(path) and error["loc"][-1] == "[key]":
        return f"{name}: {_shown(path[-1])} is not a whole number.", "Write whole numbers (years) as keys here.", True
    match error["type"]:
        case "missing" if isinstance(path[-1], int):
            needed = len(typing.get_args(_inside(kind, path[:-1])))
            return f"{_dotted(path[:-1])}: too few values.", f"Give {needed}.", False
        case "missing":
            return f"{name!r} is missing.", f"Add the key {str(path[-1])!r}.", False
        case "unexpected_keyword_argument" | "extra_forbidden":
            return f"{name}: no such key.", nearest(str(path[-1]), _names(_inside(kind, path[:-1])), "Keys"), True
        case "literal_error":
            allowed = typing.get_args(_inside(kind, path)) or re.findall(r"'([^']+)'", str(context.get("expected", "")))
            return f"{prefix}{shown} is not allowed.", nearest(str(error.get("input")), map(str, allowed), "Allowed"), False
        case "int_type" | "int_parsing" | "int_from_float" | "int_parsing_size":
            return f"{prefix}{shown} is not a whole number.", "Write a plain whole number, without unit, separators or quotes.", False
        case "float_type" | "float_parsing":
            return f"{prefix}{shown} is not a number.", _NUMBER, False
        case "finite_number":
            return f"{prefix}{shown} is not a finite number.", "Write a finite number.", False
        case "bool_type":
            return f"{prefix}{shown} is neither true nor false.", "Write true or false.", False
        case "string_type":
            return f"{prefix}{shown} is not text.", "Write a word, in quotes if it looks like a number.", False
        case "tuple_type" | "list_type":
            return f"{prefix}a list is needed here, not {shown}.", "Write [a, b, …] or one item per line with '- '.", False
        case "too_long":
            return f"{prefix}too many values.", f"Give {context.get('max_length', 'fewer')}.", False
        case "dict_type" | "dataclass_type" | "dataclass_exact_type" | "mapping_type":
            keys = ", ".join(_names(_inside(kind, path)))
            return (f"{prefix}a mapping (key: value) is needed here, not {shown}.",
                    f"Keys: {keys}." if keys else "Write one 'key: value' a line, indented, or leave the key out.", False)
        case _:
            return f"{prefix}{error['msg']}.", "Correct it, or leave it out.", False


def _names(kind: Any) -> list[str]:
    """Return the keys of a record."""
    return [f.name for f in dataclasses.fields(kind)] if dataclasses.is_dataclass(kind) else []


def _own_checks(error: typing.Mapping[str, Any], path: Path_, kind: Any, document: Document) -> Iterator[Problem]:
    """Yield what the record's own checks found: a key, what, and in a second line the remedy; several parted by an empty line."""
    known = _names(_inside(kind, path))
    name = "" if not path or isinstance(path[-1], int) else _dotted(path)
    for text in str(error["ctx"]["error"]).split("\n\n"):
        what, _, remedy = text.partition("\n")
        key = what.partition(":")[0]
        where = (*path, key) if document.holds((*path, key)) else path
        yield Problem(f"{name}{'.' if key in known else ': '}{what}" if name else what, remedy, document.place(where))


def _attempt(kind: Any, document: Document) -> tuple[Any, list[tuple[Path_, Problem]]]:
    """Return the value of `document` as `kind`, or None and what is wrong with it, each problem with its path."""
    try:
        # through JSON: there strict means "a number is a number", and a mapping may still become a record
        return _validator(kind).validate_json(json.dumps(document.data)), []
    except ValueError as caught:
        from pydantic import ValidationError  # only now: a sound file need not wait for it

        if not isinstance(caught, ValidationError):
            raise
        errors = caught.errors(include_url=False)
    problems: list[tuple[Path_, Problem]] = []
    arms = {error["loc"][:-1] for error in errors if error["loc"] and error["loc"][-1] == "float"}  # of int | float
    for error in errors:
        loc = error["loc"]
        if loc and loc[-1] == "int" and loc[:-1] in arms:
            continue  # the arm float says the same
        path = loc[:-1] if loc and loc[-1] in ("int", "float", "[key]") and not document.holds(loc) else loc
        if error["type"] == "value_error":
            problems.extend((path, problem) for problem in _own_checks(typing.cast(Any, error), path, kind, document))
        else:
            what, remedy, of_key = _explain(typing.cast(Any, error), path, kind)
            problems.append((path, Problem(what, remedy, document.place(path, of_key))))
    return None, problems


def usable(kind: type[T] | Any, document: Document) -> tuple[T | None, Document, list[Problem]]:
    """Return what is valid in `document` as a value of the frozen dataclass `kind`, and every problem of the rest.

    Entries with a problem (two levels deep: one statement of `statements`, one lever of `levers`) are left out of the
    value and of the document returned, so that what remains can be checked further. None if nothing valid remains.
    """
    problems = [problem for _, problem in document.faults]
    faulty = {path for path, _ in document.faults if path}
    document = document.without(path[:2] for path in faulty)
    if not isinstance(document.data, dict | tuple):
        needed = Problem("a mapping (key: value) is needed here.", "Write one 'key: value' a line.", document.place(()))
        return None, document, problems or [needed]
    value, found = _attempt(kind, document)
    problems.extend(problem for path, problem in found if path not in faulty)
    for depth in (2, 1):  # a part first, then what cannot be without that part
        if not found:
            break
        document = document.without({path[:depth] if document.holds(path[:depth]) else path[:1] for path, _ in found if path})
        value, found = _attempt(kind, document)
    return value, document, in_order(problems)


def validate(kind: type[T] | Any, document: Document) -> T:
    """Return `document` as a value of the frozen dataclass `kind`.

    Every problem in it is gathered into one InvalidInput, each with file, line and column.
    """
    value, _, problems = usable(kind, document)
    if problems or value is None:
        raise InvalidInput(problems)
    return typing.cast(T, value)


def data_folder(name: str) -> Path:
    """Return the folder `name` (seeds, scenarios) of this installation: inside the wheel, or beside a source checkout."""
    package = Path(__file__).parent
    inside = package / "_data" / name
    return inside if inside.is_dir() else package.parent / name
