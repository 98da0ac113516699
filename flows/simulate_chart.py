"""The picture of a simulation: a bar for each day's traffic, in 80 columns of plain text."""

from __future__ import annotations

from datetime import timedelta
from textwrap import shorten

from flows.simulate import Simulated, SimulateOptions
from flows.simulate_days import date_of

ROWS_MAX = 35
SPANS = (1, 7, 14, 28, 91, 364)
"""A row is so many days: the fewest with which the picture has at most ROWS_MAX rows."""

BAR, BAR_COLUMNS, MARK_COLUMNS = "█", 22, 18


def traffic_chart(options: SimulateOptions, simulated: Simulated) -> list[str]:
    """The lines of the picture: messages received and orders made, and what was special.

    A row of several days shows an average day of them, so that a short last row compares.
    """
    span = next(span for span in SPANS if options.days <= span * ROWS_MAX)
    firsts = range(0, options.days, span)
    rows = [simulated.days[first : first + span] for first in firsts]
    messages = [sum(day.messages for day in row) / len(row) for row in rows]
    orders = [sum(day.orders for day in row) / len(row) for row in rows]
    most, digits = max(*messages, 1), 0 if span == 1 else 1
    lines = [] if span == 1 else [f"each row is the average day of {span}"]
    lines.append(f" day  {'date':10}{'events':>12} {'':{BAR_COLUMNS}}{'orders':>9}")
    for first, message_count, order_count in zip(firsts, messages, orders, strict=True):
        when, mark = _date(options, first, span), _mark(options, first, span)
        bar = BAR * round(BAR_COLUMNS * message_count / most)
        numbers = f"{message_count:>12,.{digits}f} {bar:{BAR_COLUMNS}}{order_count:>9,.{digits}f}"
        lines.append(f"{first + 1:>4}  {when}{numbers}  {mark}".rstrip())
    return lines


def _date(options: SimulateOptions, first: int, span: int) -> str:
    day = date_of(options.start_ms) + timedelta(days=first)
    return f"{day:%a %d %b}" if span == 1 else day.isoformat()


def _mark(options: SimulateOptions, first: int, span: int) -> str:
    """What was special about the days of a row: a campaign that ran, changes that began."""
    days = range(first + 1, first + 1 + span)
    ran = any(campaign.covers(day) for campaign in options.campaigns for day in days)
    began = [change.what for change in options.changes if change.day in days]
    words = ", ".join(["campaign"] * ran + began)
    return shorten(words, MARK_COLUMNS, placeholder=" ...")
