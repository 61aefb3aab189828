"""The catalogue of indicators: what each number of a plan measures, in which unit, and of which whole."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from simulate.errors import InvalidInput, Place, Problem, nearest
from simulate.records import record

Kind = Literal["level", "flow", "ratio", "share", "rate", "count", "index"]


@record
class Indicator:
    """One indicator: `unit` is the one it is reported in; `share_of` names the whole where `kind` is share."""

    id: str
    zh: str
    en: str
    unit: str
    kind: Kind
    share_of: str | None = None
    higher_is_better: bool | None = None
    definition: str | None = None

    def __post_init__(self) -> None:
        """Check what the fields mean together."""
        if self.kind == "share" and not self.share_of:
            raise ValueError("kind: a share must say of which whole.\nAdd share_of: an indicator id or a short phrase.")

    def label(self, lang: str = "zh") -> str:
        """Name for a reader of `lang` (zh or en)."""
        return self.en if lang == "en" else self.zh


class Catalogue(Mapping[str, Indicator]):
    """All known indicators by id. Look-up of an unknown id raises InvalidInput with the nearest names."""

    def __init__(self, indicators: Mapping[str, Indicator]) -> None:
        """Hold `indicators` by id."""
        self._indicators = dict(indicators)

    def __getitem__(self, id: str) -> Indicator:
        """Return the indicator `id`."""
        return self.find(id)

    def __contains__(self, id: object) -> bool:
        """Whether `id` is known."""
        return id in self._indicators

    def __iter__(self):  # type: ignore[no-untyped-def]
        """Iterate over ids."""
        return iter(self._indicators)

    def __len__(self) -> int:
        """Count of indicators."""
        return len(self._indicators)

    def find(self, id: str, where: Place | None = None) -> Indicator:
        """Return the indicator `id`; raise InvalidInput (at `where`) with the nearest names if there is none."""
        try:
            return self._indicators[id]
        except KeyError:
            remedy = nearest(id, self._indicators) or "`simulate indicators` lists all; a plan file can add its own under `indicators:`."
            raise InvalidInput(Problem(f"indicator: {id!r} is not in the catalogue.", remedy, where)) from None
