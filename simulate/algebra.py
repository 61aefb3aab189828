"""Less arithmetic for the same values: logarithms and exponentials of products, taken apart and put together. Pure.

What `compiler` records is rewritten so that each logarithm is taken once and one exponential stands for a product of
powers, wherever that costs less. Values agree to rounding, not bit for bit, so the NumPy evaluation does without;
a logarithm of a product of two negative numbers is NaN.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from simulate.compiler import Node, Record, needed

COSTS = {"exp": 22, "log": 30, "divide": 8}
"""Vector instructions of an operation, about; one for all others. A quotient by what does not change in time is a product."""


def simplified(record: Record, roots: Sequence[Node]) -> list[Node]:
    """Return nodes of the same values as `roots` that cost less to compute."""
    apart = _logarithms(record, roots)
    again = _logarithms(record, apart)  # now those of atoms are known, and others may be made of them
    best = _best(_best(list(roots), apart), again)
    for node in [n for n in needed(best) if n.name == "exp"]:
        best = _best(best, _merged(record, best, node))
    return best


def cost(roots: Iterable[Node]) -> int:
    """What computing `roots` costs at every evaluation."""
    return sum(_cost(n) for n in needed(roots))


def _cost(node: Node) -> int:
    if not (node.moving and node.wide and node.arguments):
        return 0
    return 1 if node.name == "divide" and not node.arguments[1].moving else COSTS.get(node.name, 1)


def _best(before: list[Node], after: list[Node]) -> list[Node]:
    return after if cost(after) < cost(before) else before


@dataclass
class _Factors:
    """A product: numbers that do not change in time, exponents of exponentials and atoms; `below` are in the denominator."""

    still: list[Node] = field(default_factory=list)
    exponents: list[Node] = field(default_factory=list)
    atoms: list[Node] = field(default_factory=list)
    still_below: list[Node] = field(default_factory=list)
    exponents_below: list[Node] = field(default_factory=list)
    atoms_below: list[Node] = field(default_factory=list)

    def add(self, node: Node, whole: set[int], below: bool = False, first: bool = True) -> _Factors:
        """Add a node's factors; nodes in `whole` are not taken apart, but for the first."""
        if node.name in ("multiply", "divide") and node.moving and (first or node.number not in whole):
            self.add(node.arguments[0], whole, below, False)
            self.add(node.arguments[1], whole, below != (node.name == "divide"), False)
            return self
        kind = "still" if not node.moving else "exponents" if node.name == "exp" else "atoms"
        factors: list[Node] = getattr(self, kind + "_below" * below)
        factors.append(node.arguments[0] if kind == "exponents" else node)
        return self


def _product(record: Record, above: Sequence[Node], below: Sequence[Node]) -> Node | None:
    """The product of nodes over that of others, factors in a fixed order; None where there are none."""
    found: list[Node | None] = []
    for group in (above, below):
        result = None
        for node in sorted(group, key=lambda n: n.number):
            result = node if result is None else record.operation("multiply", result, node)
        found.append(result)
    if found[1] is None:
        return found[0]
    return record.operation("divide", found[0] or record.literal(1.0), found[1])


def _sum(record: Record, plus: Sequence[Node], minus: Sequence[Node]) -> Node | None:
    result = None
    for node in plus:
        result = node if result is None else record.operation("add", result, node)
    for node in minus:
        result = record.operation("negative", node) if result is None else record.operation("subtract", result, node)
    return result


def _logarithms(record: Record, roots: Sequence[Node]) -> list[Node]:
    """Take the logarithm of a product apart: of its exponentials, its unchanging numbers, and atoms whose logarithm is there."""
    known = {n.arguments[0].number for n in needed(roots) if n.name == "log"}

    def change(node: Node) -> Node:
        if node.name != "log" or not node.moving:
            return node
        f = _Factors().add(node.arguments[0], set())
        if len(f.atoms) + len(f.atoms_below) == 1:  # its own atom
            alone, below, rest, rest_below = f.atoms, f.atoms_below, [], []
        else:
            alone, below = ([n for n in atoms if n.number in known] for atoms in (f.atoms, f.atoms_below))
            rest, rest_below = ([n for n in atoms if n.number not in known] for atoms in (f.atoms, f.atoms_below))

        def log(product: Node | None) -> list[Node]:
            return [] if product is None else [record.operation("log", product)]

        still = log(_product(record, f.still, f.still_below))
        moving = log(_product(record, rest, rest_below))
        plus = [*(n for a in alone for n in log(a)), *moving, *f.exponents, *still]
        return _sum(record, plus, [*(n for a in below for n in log(a)), *f.exponents_below]) or record.literal(0.0)

    return _rebuilt(record, roots, change)


def _merged(record: Record, roots: Sequence[Node], exponential: Node) -> list[Node]:
    """Put `exponential` together with the others in every product of which it is a factor."""
    nodes = needed(roots)
    whole = {n.number for n in roots} | {a.number for n in nodes if n.name not in ("multiply", "divide") for a in n.arguments}

    def change(node: Node) -> Node:
        if node.name not in ("multiply", "divide") or not node.moving or node.number not in whole:
            return node
        f = _Factors().add(node, whole)
        if exponential.arguments[0] not in f.exponents and exponential.arguments[0] not in f.exponents_below:
            return node
        exponent = _sum(record, f.exponents, f.exponents_below)
        assert exponent is not None
        moving = _product(record, [*f.atoms, record.operation("exp", exponent)], f.atoms_below)
        assert moving is not None
        still = _product(record, f.still, f.still_below)
        return moving if still is None else record.operation("multiply", moving, still)

    return _rebuilt(record, roots, change, whole)


def _rebuilt(record: Record, roots: Sequence[Node], change: object, whole: set[int] | None = None) -> list[Node]:
    """Return `roots` with every node put through `change`, operands first."""
    assert callable(change)
    made: dict[int, Node] = {}
    for node in needed(roots):
        changed = node
        if node.arguments and any(made[a.number] is not a for a in node.arguments):
            changed = record.operation(node.name, *(made[a.number] for a in node.arguments))
            if whole is not None and node.number in whole:
                whole.add(changed.number)
        made[node.number] = change(changed)
        if whole is not None and node.number in whole:
            whole.add(made[node.number].number)
    return [made[n.number] for n in roots]


def labelled(labels: Mapping[int, str], before: Sequence[Node], after: Sequence[Node]) -> dict[int, str]:
    """Return the names of nodes with those of `before` that stand in another form in `after`."""
    return dict(labels) | {b.number: labels[a.number] for a, b in zip(before, after, strict=True) if a.number in labels}
