"""The model page: every stock, equation, parameter and named loop of the model as Markdown, equations in mathematical notation.

All of it is read off the model, so that the page cannot say anything else than what is computed; the same model gives the same text.
"""

from __future__ import annotations

import ast
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from simulate.errors import InvalidInput, Place, Problem
from simulate.feedback import admissible_points, feedback_loops, link_signs
from simulate.layouts import PARTS
from simulate.region import LOOPS

if TYPE_CHECKING:
    from simulate.distributions import Distribution
    from simulate.feedback import Link
    from simulate.model import Equation, Model, Parameter, Stock

_INDEX = {None: "", "sector": "s", "cluster": "c"}
_COMPARISONS: dict[type[ast.cmpop], str] = {ast.Lt: "<", ast.LtE: r"\le", ast.Gt: ">", ast.GtE: r"\ge"}
_SUM, _PRODUCT, _POWER, _ATOM = 1, 2, 3, 4  # how tightly an expression binds
_LONG = 5  # terms from which on a sum in parentheses is set in several lines

INTRODUCTION = """\
# The regional model

Written by `simulate model --page {page}` from the equations that are run: edit those, not this page. The reasons for them are in
[model-decisions.md](model-decisions.md).

The model has {stocks} stocks, {equations} equations ({constants} of them base-year constants), {parameters} parameters and {inputs} inputs
given over time. Its causal graph has {loops} feedback loops ({reinforcing} reinforcing, {balancing} balancing, {undetermined} that are
either, depending on parameters), arrayed variables counted as one.

Time $`t`$ is in years; a flow at $`t`$ is that calendar year's flow. Index $`s`$ runs over sectors, $`c`$ over lead clusters. Units:
`CNY100M` is CNY 100 million (亿元) at constant base-year prices, `CNY100M_nominal` the same at current prices, `person10k` ten thousand
persons, `firm10k` ten thousand firms, `1` a plain number (shares and rates are fractions). Names ending in "base" are base-year values.
"""


def symbol(name: str, over: str | None = None) -> str:
    """Return a variable's name in mathematical notation, with its index."""
    if name == "time":
        return "t"
    index = "c,s" if name == "cluster_membership" else _INDEX[over]
    return rf"\text{{{name.replace('_', ' ')}}}" + (f"_{{{index}}}" if index else "")


def notation(e: Equation, over: Mapping[str, str | None]) -> str:
    """Return an equation's right-hand side in LaTeX; `over` names the dimension of every variable."""
    return _Writer(over).text(e.formula)[0]


class _Writer:
    """Writes expressions as LaTeX, each with how tightly it binds."""

    def __init__(self, over: Mapping[str, str | None]) -> None:
        self.over = over

    def text(self, node: ast.expr) -> tuple[str, int]:
        match node:
            case ast.Name():
                return symbol(node.id, self.over.get(node.id)), _ATOM
            case ast.Constant():
                return str(node.value), _ATOM
            case ast.UnaryOp():
                return f"-{self.inside(node.operand, _PRODUCT)}", _SUM
            case ast.BinOp(op=ast.Div()):
                return rf"\frac{{{self.text(node.left)[0]}}}{{{self.text(node.right)[0]}}}", _ATOM
            case ast.BinOp(op=ast.Mult()):
                return rf"{self.inside(node.left, _PRODUCT)} \cdot {self.inside(node.right, _PRODUCT)}", _PRODUCT
            case ast.BinOp(op=ast.Pow()):
                return self.power(node.left, node.right), _POWER
            case ast.BinOp(op=ast.Add()):
                return f"{self.text(node.left)[0]} + {self.text(node.right)[0]}", _SUM
            case ast.BinOp(op=ast.Sub()):
                return f"{self.text(node.left)[0]} - {self.inside(node.right, _PRODUCT)}", _SUM
            case ast.Compare():
                return f"{self.text(node.left)[0]} {_COMPARISONS[type(node.ops[0])]} {self.text(node.comparators[0])[0]}", _SUM
            case ast.Call(func=ast.Name(id=function), args=arguments):
                return self.call(function, arguments)
        raise InvalidInput(Problem(f"`{ast.unparse(node)}` has no mathematical notation.", "Use the arithmetic that equations allow."))

    def inside(self, node: ast.expr, least: int) -> str:
        """Return an operand, in parentheses if it binds less tightly than `least`."""
        text, binding = self.text(node)
        return text if binding >= least else self.bracketed(node)

    def bracketed(self, node: ast.expr) -> str:
        """Return an expression in parentheses: a long sum in lines of three terms."""
        terms: list[ast.expr] = [node]
        while isinstance(terms[0], ast.BinOp) and isinstance(terms[0].op, ast.Add):
            terms[:1] = [terms[0].left, terms[0].right]
        if len(terms) < _LONG:
            return rf"\left( {self.text(node)[0]} \right)"
        shown = [self.text(term)[0] for term in terms]
        lines = [" + ".join(shown[k:k + 3]) for k in range(0, len(shown), 3)]
        return r"\left( \begin{aligned} & " + r" \\ & + ".join(lines) + r" \end{aligned} \right)"

    def power(self, base: ast.expr, exponent: ast.expr) -> str:
        shown = self.text(base)[0] if isinstance(base, ast.Constant) else self.bracketed(base)
        return f"{shown}^{{{self.text(exponent)[0]}}}"

    def call(self, function: str, arguments: list[ast.expr]) -> tuple[str, int]:
        shown = [self.text(a)[0] for a in arguments]
        match function:
            case "exp" | "log":
                return rf"\{'exp' if function == 'exp' else 'ln'}\left( {shown[0]} \right)", _ATOM
            case "minimum" | "maximum":
                return rf"\{function[:3]}\left( {shown[0]},\ {shown[1]} \right)", _ATOM
            case "power":
                return self.power(*arguments), _POWER
            case "total":
                return rf"\sum_{{s}} {self.inside(arguments[0], _PRODUCT)}", _SUM
            case "of_sector":
                return rf"\sum_{{s}} {self.inside(arguments[0], _PRODUCT)} \cdot {self.inside(arguments[1], _PRODUCT)}", _SUM
            case _:
                condition, then, other = shown
                return rf"\begin{{cases}} {then} & \text{{if }} {condition} \\ {other} & \text{{otherwise}} \end{{cases}}", _SUM


def page(model: Model, place: str = "docs/model.md", figures: str = "figures") -> str:
    """Return the model page as Markdown; `place` is named in it, `figures` is the folder of its diagrams as seen from it."""
    constants = {e.name for e in model.constants}
    signs = link_signs(model, admissible_points(model))
    loops = feedback_loops(model, signs, LOOPS)
    kinds = [x.polarity for x in loops]
    lines = [INTRODUCTION.format(page=place, stocks=len(model.stocks), equations=len(model.equations), constants=len(constants),
                                 parameters=len(model.parameters), inputs=len(model.inputs), loops=len(loops),
                                 reinforcing=kinds.count("R"), balancing=kinds.count("B"), undetermined=kinds.count("U"))]
    lines += [f"![Causal loops]({figures}/model-causal-loops.svg)", ""]
    stocks = {s.name: s for s in model.stocks}
    equations = {e.name: e for e in model.order}
    for part in PARTS:
        lines += [f"## {part.en}", "", f"![{part.en}]({figures}/model-{part.id}.svg)", ""]
        for name in (n for n in part.places if n in stocks):
            lines += _stock(stocks[name], model)
        for e in (e for e in model.order if e.name in part.places):
            lines += _equation(e, model)
    placed = {n for part in PARTS for n in part.places} | constants
    rest = [e for e in model.order if e.name not in placed]
    if rest:
        lines += ["## Further equations", "", *(line for e in rest for line in _equation(e, model))]
    lines += ["## Base-year constants", "", "Evaluated once a run, from parameters alone.", ""]
    for e in (equations[n] for n in equations if n in constants):
        lines += _equation(e, model)
    lines += _parameters(model) + _inputs(model) + _loops(signs, len(loops), figures)
    return "\n".join(lines).rstrip() + "\n"


def _stock(s: Stock, model: Model) -> list[str]:
    flows = " + ".join(symbol(n, model.over[n]) for n in s.inflows) + "".join(f" - {symbol(n, model.over[n])}" for n in s.outflows)
    start = symbol(s.initial, model.over[s.initial])
    return [f"**`{s.name}`**, stock [{s.unit}]: {s.documentation}.", "", "```math",
            rf"\frac{{d}}{{dt}} {symbol(s.name, s.over)} = {flows.strip()}, \qquad {symbol(s.name, s.over)}(t_0) = {start}", "```", ""]


def _equation(e: Equation, model: Model) -> list[str]:
    lines = [f"**`{e.name}`** [{e.unit}]: {' '.join(e.documentation.split())}", "", "```math",
             f"{symbol(e.name, e.over)} = {notation(e, model.over)}", "```", ""]
    known = {p.name: p for p in model.parameters}
    used = [known[a] for a in e.arguments if a in known and (known[a].prior is not None or known[a].default is not None)]
    if used:
        shown = (f"`{p.name}` {_default(p)} [{p.unit}]" + (f", range {_range(p)}" if p.prior else "") + f" ({p.source})" for p in used)
        lines += [f"With {'; '.join(shown)}.", ""]
    return lines


def _default(p: Parameter) -> str:
    if p.default is None:
        return "from the region's data"
    if isinstance(p.default, Mapping):
        return ", ".join(f"{'others' if k == '*' else k} {v:g}" for k, v in p.default.items())
    return f"{p.default:g}"


def _priors(p: Parameter) -> Mapping[str, Distribution]:
    return p.prior if isinstance(p.prior, Mapping) else {"": p.prior} if p.prior is not None else {}


def _range(p: Parameter) -> str:
    shown = ((f"{'others' if k == '*' else k} " if k else "") + "{:g} to {:g}".format(*d.support) for k, d in _priors(p).items())
    return ", ".join(shown) or "-"


def _parameters(model: Model) -> list[str]:
    def row(p: Parameter) -> str:
        prior = "; ".join((f"{'others' if k == '*' else k}: " if k else "") + str(d) for k, d in _priors(p).items()) or "-"
        name = f"`{p.name}`" + (f" ({p.over})" if p.over else "")
        cells = (name, p.unit, p.documentation, _default(p), prior, _range(p), "{:g} to {:g}".format(*p.bounds), p.source)
        return f"| {' | '.join(cells)} |"

    head = ["| parameter | unit | what it is | default | prior | range | admissible | source |", "|---|---|---|---|---|---|---|---|"]
    supplied = [p for p in model.parameters if p.default is None or p.indicator]
    own = [p for p in model.parameters if p not in supplied]
    return ["## Parameters", "", "A scenario or a region's data may replace any of them. \"Judgement\" is a source, and said to be one. "
            "The range is the prior's support; what is admissible, a scenario may set.", "", *head, *map(row, own), "",
            "### Supplied by the region's data", "", *head, *map(row, supplied), ""]


def _inputs(model: Model) -> list[str]:
    return ["## Inputs given over time", "", "| input | unit | what it is |", "|---|---|---|",
            *(f"| `{i.name}` | {i.unit} | {i.documentation} |" for i in model.inputs), ""]


def _loops(signs: Mapping[Link, str], count: int, figures: str) -> list[str]:
    def chain(links: tuple[Link, ...]) -> str:
        return f"`{links[0][0]}`" + "".join(f" {'−' if signs[x] == '-' else signs[x]}→ `{x[1]}`" for x in links)

    rows = [f"| {x.name} | {x.polarity} | {chain(x.links)} |" for x in LOOPS]
    return ["## Named feedback loops", "",
            "R: reinforcing, B: balancing. The sign before an arrow is that of the partial derivative. "
            "Loops of one name are variants of one "
            f"mechanism. `simulate model --loops` lists all {count}, `simulate model --dominance SCENARIO` tells which drives "
            "behaviour when.", "",
            f"![Named feedback loops]({figures}/model-loops.svg)", "", "| loop | polarity | variables |", "|---|---|---|", *rows, ""]


def write_page(path: Path | str, model: Model) -> list[Path]:
    """Write the page and its diagrams (into the folder `figures` beside it); return the files, the page last.

    Each is written under a temporary name, then moved. Raises InvalidInput for a name that does not end in .md and for a folder
    that is not there.
    """
    from simulate import diagrams

    path = Path(path)
    if path.suffix.lower() != ".md":
        raise InvalidInput(Problem("the model page is written as Markdown.", "Give a name that ends in .md.", Place(path)))
    if not path.parent.is_dir():
        raise InvalidInput(Problem("there is no such folder.", "Make it first, or give another.", Place(path.parent)))
    text = page(model, f"docs/{path.name}")
    folder = path.parent / "figures"
    folder.mkdir(exist_ok=True)
    signs = link_signs(model, admissible_points(model))
    files = [diagrams.save(diagrams.stock_flow(model, part.id, "en"), folder / f"model-{part.id}.svg") for part in PARTS]
    files.append(diagrams.save(diagrams.causal_map(LOOPS, signs, "en"), folder / "model-causal-loops.svg"))
    files.append(diagrams.save(diagrams.causal_loops(LOOPS, signs, "en"), folder / "model-loops.svg"))
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        temporary.write_text(text, encoding="utf-8")
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
    return [*files, path]
