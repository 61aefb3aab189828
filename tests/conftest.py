"""Hypothesis draws new cases on every developer's run, and the same ones in CI, so that a landing does not hang on a draw."""

import os

from hypothesis import settings

settings.register_profile("ci", derandomize=True, deadline=None)
if os.environ.get("CI"):
    settings.load_profile("ci")
