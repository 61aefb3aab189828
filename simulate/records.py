"""What a value read from a file is: a frozen dataclass that allows no unknown key. Pure: no yaml, no pydantic here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar, dataclass_transform

T = TypeVar("T")


@dataclass_transform(frozen_default=True, kw_only_default=True)
def record(cls: type[T]) -> type[T]:
    """Make `cls` a frozen keyword-only dataclass; `documents.validate` fills it from a file and refuses unknown keys.

    A `ValueError("key: what is wrong\\nwhat to do")` raised in `__post_init__` becomes a problem at that key.
    """
    cls.__pydantic_config__ = {"extra": "forbid", "strict": True, "allow_inf_nan": False}  # type: ignore[attr-defined]
    return dataclass(frozen=True, kw_only=True)(cls)
