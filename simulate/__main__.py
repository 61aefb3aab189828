"""`python -m simulate`, and the `simulate` command."""

from __future__ import annotations

import sys
from importlib import import_module

COMMANDS = ("calibrate", "check", "plans", "sweeps", "validate", "model")


def main() -> None:
    """Run the command line."""
    for stream in (sys.stdout, sys.stderr):  # Chinese labels on a Windows or C locale
        if hasattr(stream, "reconfigure") and (stream.encoding or "").lower().replace("-", "") != "utf8":
            stream.reconfigure(encoding="utf-8", errors="replace")
    for name in COMMANDS:  # importing a module registers its commands
        import_module(f"simulate.cli_{name}")
    from simulate.cli import app

    app()


if __name__ == "__main__":
    main()
