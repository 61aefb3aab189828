"""The one error type users see, and the problems it carries."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Place:
    """A point in an input file; line and column count from 1."""

    file: Path
    line: int | None = None
    column: int | None = None

    def __str__(self) -> str:
        file = self.file
        if file.is_absolute():
            try:
                file = file.relative_to(Path.cwd())
            except ValueError:  # outside the working folder: the absolute path is the clear one
                pass
        return ":".join(str(part) for part in (file, self.line, self.column) if part is not None)


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong: where it stands, what it is, and what to do about it."""

    what: str
    remedy: str = ""
    where: Place | None = None

    def __str__(self) -> str:
        head = f"{self.where}  {self.what}" if self.where else self.what
        return f"{head}\n    {self.remedy}" if self.remedy else head


class InvalidInput(Exception):
    """Input that cannot be used. Carries every problem found, not only the first."""

    def __init__(self, problems: Problem | Iterable[Problem]) -> None:
        """Gather `problems`, at least one."""
        self.problems: tuple[Problem, ...] = (problems,) if isinstance(problems, Problem) else tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


class MissingExtra(InvalidInput):
    """An optional dependency is not installed."""

    def __init__(self, module: str, extra: str) -> None:
        """Name the `module` that is missing and the `extra` that brings it."""
        super().__init__(Problem(f"{module} is not installed.", f"pip install 'simulate[{extra}]'"))


def nearest(word: str, known: Iterable[str], list_all: str = "") -> str:
    """Return a remedy: the nearest known names, then (with `list_all` as its heading) all of them."""
    names: Sequence[str] = sorted(known)
    close = difflib.get_close_matches(word, names, n=3, cutoff=0.6)
    parts = []
    if close:
        parts.append("Did you mean " + " or ".join(repr(name) for name in close) + "?")
    if list_all and (len(names) <= 40 or not close):
        shown = ", ".join(names[:60]) + (", …" if len(names) > 60 else "")
        parts.append(f"{list_all}: {shown}")
    return " ".join(parts)
