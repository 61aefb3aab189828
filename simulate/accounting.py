"""What a growth target needs."""
from __future__ import annotations
from typing import Any
from simulate.economy import Economy
def needs_in_words(economy: Economy, region: str) -> tuple[dict[str, Any], ...]:
    return ()
