"""`python -m simulate`, and the `simulate` command."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line."""
    for stream in (sys.stdout, sys.stderr):  # Chinese labels on a Windows or C locale
        if hasattr(stream, "reconfigure") and (stream.encoding or "").lower().replace("-", "") != "utf8":
            stream.reconfigure(encoding="utf-8", errors="replace")
    from simulate import cli_check, cli_plans, cli_sweeps  # importing them registers their commands
    from simulate.cli import app

    assert cli_check
    assert cli_plans
    assert cli_sweeps
    app()


if __name__ == "__main__":
    main()
