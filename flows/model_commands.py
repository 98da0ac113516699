"""`beckon models`: the propensity models of a shop."""

from __future__ import annotations

import click


@click.group(name="models")
def models() -> None:
    """Propensity models: how good they are, and which versions are in force."""
