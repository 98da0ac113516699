"""Values of options that several commands take."""

from __future__ import annotations

import click


def instant(_context: click.Context, _parameter: click.Parameter, text: str | None) -> int | None:
    """An ISO 8601 time (UTC unless it says otherwise) in ms since 1970; None without a text."""
    from connectors.triggers import instant_ms

    if text is None:
        return None
    try:
        return instant_ms(text)
    except ValueError as error:
        example = "2026-11-21T09:00:00Z"
        raise click.BadParameter(f"expected a time like {example}, got {text!r}") from error
