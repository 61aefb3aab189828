"""The one error type users see, and the problems it carries."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

LONGEST = 1000
"""Characters of a message that are shown: what a file holds may be a megabyte in one word."""


@dataclass(frozen=True)
class Place:
    """A point in an input file; line and column count from 1."""

    file: Path
    line: int | None = None
    column: int | None = None

    def __str__(self) -> str:
        file = self.file
        if file.is_absolute():
            with suppress(ValueError, OSError):  # outside the working folder, or that is gone: the absolute path is the clear one
                file = file.relative_to(Path.cwd())
        return ":".join(str(part) for part in (file, self.line, self.column) if part is not None)


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong: where it stands, what it is, and what to do about it."""

    what: str
    remedy: str = ""
    where: Place | None = None

    def __str__(self) -> str:
        what = _printable(self.what)
        head = f"{self.where}  {what}" if self.where else what
        return f"{head}\n    {_printable(self.remedy)}" if self.remedy else head


class InvalidInput(Exception):
    """Input that cannot be used. Carries every problem found, not only the first."""

    def __init__(self, problems: Problem | Iterable[Problem]) -> None:
        """Gather `problems`, at least one."""
        self.problems: tuple[Problem, ...] = (problems,) if isinstance(problems, Problem) else tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))

    def __reduce__(self) -> tuple[Any, ...]:
        """Rebuild from the problems: a worker process sends its error back pickled."""
        return InvalidInput, (self.problems,)


class MissingExtra(InvalidInput):
    """An optional dependency is not installed."""

    def __init__(self, module: str, extra: str) -> None:
        """Name the `module` that is missing and the `extra` that brings it."""
        super().__init__(Problem(f"{module} is not installed.", f"pip install 'simulate[{extra}]'"))
        self.module, self.extra = module, extra

    def __reduce__(self) -> tuple[Any, ...]:
        """Rebuild from the names."""
        return MissingExtra, (self.module, self.extra)


def nearest(word: str, known: Iterable[str], list_all: str = "", cutoff: float = 0.6) -> str:
    """Return a remedy: the nearest known names, then (with `list_all` as its heading) all of them.

    `cutoff` is how like the word a name must be, from 0 to 1 (the same).
    """
    names = tuple(sorted(known))
    close = _close(word, names, cutoff)
    parts = []
    if close:
        parts.append("Did you mean " + " or ".join(repr(name) for name in close) + "?")
    if list_all and (len(names) <= 40 or not close):
        shown = ", ".join(names[:60]) + (", …" if len(names) > 60 else "")
        parts.append(f"{list_all}: {shown or 'none'}.")
    return " ".join(parts)


@lru_cache(maxsize=1000)
def _close(word: str, names: tuple[str, ...], cutoff: float) -> tuple[str, ...]:
    import difflib  # only where something is wrong

    return tuple(difflib.get_close_matches(word, names, n=3, cutoff=cutoff))


def in_order(problems: Iterable[Problem]) -> list[Problem]:
    """Return `problems` without repetitions, file by file in the order first met, and down each file."""
    distinct = list(dict.fromkeys(problems))
    files = list(dict.fromkeys(problem.where.file for problem in distinct if problem.where))

    def rank(problem: Problem) -> tuple[int, int, int]:
        at = problem.where
        return (files.index(at.file), at.line or 0, at.column or 0) if at else (len(files), 0, 0)

    return sorted(distinct, key=rank)


def _printable(text: str) -> str:
    """Cut what is too long to read, and spell out what would steer a terminal."""
    if len(text) > LONGEST:
        text = f"{text[:LONGEST]}… ({len(text):,} characters)"
    return text if text.isprintable() else "".join(c if c.isprintable() or c == "\n" else repr(c)[1:-1] for c in text)
