"""The model page: its mathematics is read back and evaluated against the equations; the committed page is what the generator writes."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import numpy as np
import pytest

from simulate.errors import InvalidInput
from simulate.feedback import admissible_points
from simulate.layouts import PARTS
from simulate.model import formula
from simulate.model_page import notation, page, symbol, write_page
from simulate.region import LOOPS, regional_model

DOCS = Path(__file__).parents[1] / "docs"
MODEL = regional_model()
OVER = {"x": "sector", "m": "cluster"}


# ---------------------------------------------------------------- a reader of the notation, to read back what was written

class Reader:
    """Evaluates the LaTeX that the page uses, by the usual precedence; arrays are (elements, runs), sums run over sectors."""

    def __init__(self, text: str, values: dict[str, np.ndarray]) -> None:
        self.tokens = re.findall(r"\\text\{[^}]*\}(?:_\{[^}]*\})?|\\[a-zA-Z]+|\\[ \\]|\d+(?:\.\d+)?(?:e-?\d+)?|\S", text)
        self.values, self.at = values, 0

    def peek(self) -> str:
        return self.tokens[self.at] if self.at < len(self.tokens) else ""

    def take(self, expected: str | None = None) -> str:
        token = self.peek()
        assert expected is None or token == expected, f"{token!r} where {expected!r} should be, in {self.tokens}"
        self.at += 1
        return token

    def total(self):
        if self.peek() == "-":
            self.take()
            result = -self.product()
        else:
            result = self.product()
        while self.peek() in ("+", "-"):
            result = result + self.product() if self.take() == "+" else result - self.product()
        return result

    def product(self):
        if self.peek() == r"\sum":
            for token in (r"\sum", "_", "{", "s", "}"):
                self.take(token)
            return self.product().sum(axis=-2, keepdims=True)  # what is summed ends with the product
        result = self.powered()
        while self.peek() == r"\cdot":
            self.take()
            result = result * self.powered()
        return result

    def powered(self):
        base = self.atom()
        if self.peek() == "^":
            self.take()
            return base ** self.group()
        return base

    def group(self):
        self.take("{")
        result = self.total()
        self.take("}")
        return result

    def atom(self):
        token = self.take()
        if token == r"\frac":
            top = self.group()
            return top / self.group()
        if token == r"\left":
            self.take("(")
            return self.closed()
        if token in (r"\exp", r"\ln"):
            self.take(r"\left")
            self.take("(")
            return (np.exp if token == r"\exp" else np.log)(self.closed())
        if token in (r"\min", r"\max"):
            self.take(r"\left")
            self.take("(")
            first = self.total()
            self.take(",")
            self.take("\\ ")
            return (np.minimum if token == r"\min" else np.maximum)(first, self.closed())
        if token == r"\begin":
            return self.cases()
        if token in self.values:
            return self.values[token]
        return float(token)

    def closed(self):
        lines = self.peek() == r"\begin"
        if lines:
            while self.peek() not in ("&", ""):
                self.take()
            self.take("&")
            self.tokens = [t for k, t in enumerate(self.tokens) if k < self.at or t not in ("\\\\", "&")]
        result = self.total()
        if lines:
            for token in (r"\end", "{", *"aligned", "}"):
                self.take(token)
        self.take(r"\right")
        self.take(")")
        return result

    def cases(self):
        for token in ("{", *"cases", "}"):
            self.take(token)
        then = self.total()
        self.take("&")
        self.take(r"\text{if }")
        left, sign, right = self.total(), self.take(), self.total()
        self.take("\\\\")
        other = self.total()
        for token in ("&", r"\text{otherwise}", r"\end", "{", *"cases", "}"):
            self.take(token)
        return np.where({">": left > right, "<": left < right, r"\ge": left >= right, r"\le": left <= right}[sign], then, other)

    def read(self):
        result = self.total()
        assert self.at == len(self.tokens), self.tokens[self.at:]
        return result


@pytest.mark.parametrize("e", MODEL.equations, ids=lambda e: e.name)
def test_the_notation_read_back_computes_the_equation(e):
    points = admissible_points(MODEL, runs=24, seed=5)
    values = {}
    for n in e.arguments:
        a = points[n]
        alone = MODEL.over[n] == "cluster" and n != "cluster_membership"
        values[symbol(n, MODEL.over[n])] = a[..., None, :] if alone else a  # (clusters, sectors, runs)
    found = np.asarray(Reader(notation(e, MODEL.over), values).read())
    expected = np.asarray(e.function(*(points[n] for n in e.arguments)))
    if found.ndim > expected.ndim:  # the axis that was summed over
        found = found[..., 0, :]
    np.testing.assert_allclose(np.broadcast_to(found, expected.shape), expected, rtol=1e-9)


# ---------------------------------------------------------------- small cases, letter by letter

@pytest.mark.parametrize(("source", "expected"), [
    ("a + b * c", r"\text{a} + \text{b} \cdot \text{c}"),
    ("(a + b) * c", r"\left( \text{a} + \text{b} \right) \cdot \text{c}"),
    ("a - (b - c)", r"\text{a} - \left( \text{b} - \text{c} \right)"),
    ("a - b - c", r"\text{a} - \text{b} - \text{c}"),
    ("a - b * c", r"\text{a} - \text{b} \cdot \text{c}"),
    ("a / (b * c)", r"\frac{\text{a}}{\text{b} \cdot \text{c}}"),
    ("a / b / c", r"\frac{\frac{\text{a}}{\text{b}}}{\text{c}}"),
    ("-a * b", r"\left( -\text{a} \right) \cdot \text{b}"),
    ("-(a + b)", r"-\left( \text{a} + \text{b} \right)"),
    ("(a * b) ** 2", r"\left( \text{a} \cdot \text{b} \right)^{2}"),
    ("a ** (b + 1)", r"\left( \text{a} \right)^{\text{b} + 1}"),
    ("power(a / b, c)", r"\left( \frac{\text{a}}{\text{b}} \right)^{\text{c}}"),
    ("total(x) * a", r"\left( \sum_{s} \text{x}_{s} \right) \cdot \text{a}"),
    ("total(x + a)", r"\sum_{s} \left( \text{x}_{s} + \text{a} \right)"),
    ("exp(a) * log(b)", r"\exp\left( \text{a} \right) \cdot \ln\left( \text{b} \right)"),
    ("minimum(a, 1.0)", r"\min\left( \text{a},\ 1.0 \right)"),
    ("where(a > 0, b, c)", r"\begin{cases} \text{b} & \text{if } \text{a} > 0 \\ \text{c} & \text{otherwise} \end{cases}"),
    ("2 * where(a <= 0, b, c)", r"2 \cdot \left( \begin{cases} \text{b} & \text{if } \text{a} \le 0 \\ \text{c} & \text{otherwise} "
                                r"\end{cases} \right)"),
    ("long_name * m", r"\text{long name} \cdot \text{m}_{c}"),
    ("a * (b + c + d + f + g)", r"\text{a} \cdot \left( \begin{aligned} & \text{b} + \text{c} + \text{d} \\ & + \text{f} + \text{g} "
                                r"\end{aligned} \right)"),
])
def test_notation_keeps_the_order_of_operations(source, expected):
    assert notation(formula("y", source, "1", "d"), OVER) == expected


def test_what_is_no_arithmetic_has_no_notation():
    from simulate.model_page import _Writer

    with pytest.raises(InvalidInput, match="has no mathematical notation"):
        _Writer({}).text(ast.parse("a if b else c", mode="eval").body)


# ---------------------------------------------------------------- the page

def test_the_committed_page_is_what_the_generator_writes_now():
    """If this fails: simulate model --page docs/model.md."""
    assert (DOCS / "model.md").read_text(encoding="utf-8") == page(MODEL)


def test_the_page_is_complete():
    text = page(MODEL)
    for e in MODEL.equations:
        assert text.count(f"**`{e.name}`** [{e.unit}]: ") == 1, e.name
        assert " ".join(e.documentation.split()) in text
    for s in MODEL.stocks:
        assert text.count(f"**`{s.name}`**, stock [{s.unit}]") == 1
    for p in MODEL.parameters:
        row = next(line for line in text.splitlines() if line.startswith(f"| `{p.name}`"))
        assert p.source in row and f"| {p.unit} |" in row
        if p.prior is not None and not isinstance(p.prior, dict):
            low, high = p.prior.support
            assert f"{low:g} to {high:g}" in row
    for i in MODEL.inputs:
        assert f"| `{i.name}` |" in text
    for loop in LOOPS:
        assert f"| {loop.name} | {loop.polarity} |" in text
    assert text.count("```math") * 2 == text.count("```")
    assert text == page(MODEL)


def test_its_figures_are_there_and_small():
    text = (DOCS / "model.md").read_text(encoding="utf-8")
    named = re.findall(r"\]\((figures/[^)]*)\)", text)
    assert len(named) == len(PARTS) + 2
    for name in named:
        assert 1_000 < (DOCS / name).stat().st_size < 500_000, name


def test_page_and_figures_are_written_whole(tmp_path: Path):
    files = write_page(tmp_path / "structure.md", MODEL)
    assert files[-1] == tmp_path / "structure.md"
    assert "simulate model --page docs/structure.md" in files[-1].read_text(encoding="utf-8")
    assert sorted(p for p in tmp_path.rglob("*") if p.is_file()) == sorted(files)


@pytest.mark.parametrize(("name", "message"), [("model.txt", "written as Markdown"), ("nowhere/model.md", "no such folder")])
def test_a_bad_name_is_refused(name, message, tmp_path):
    with pytest.raises(InvalidInput, match=message):
        write_page(tmp_path / name, MODEL)
    assert list(tmp_path.iterdir()) == []
