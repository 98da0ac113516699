"""Every limit of the config language; exceeding one is a problem that `load` lists."""

from __future__ import annotations

DAY_MS = 86_400_000
HOUR_MS = 3_600_000
MINUTE_MS = 60_000

FILE_BYTES_MAX = 262_144
LINE_LENGTH_MAX = 4_000
"""Characters of a line of a TOML file; keeps the parser's quadratic corners short."""

PROBLEMS_MAX = 500
NAME_LENGTH_MAX = 64
TEXT_BYTES_MAX = 256
"""Bytes of names, paths and text constants; longer texts in events are dead letters."""

LIST_LENGTH_MAX = 100
EVENTS_MAX = 500
FIELDS_MAX = 100
"""Different field names over all events: each is a column of every batch."""

PATH_DEPTH_MAX = 8
CHANNELS_MAX = 8
RATES_MAX = 200
VOCABULARY_MAX = 1_000

FEATURES_MAX = 200
TILES_MAX = 400
WEIGHT_MAX = 1_000
AFFINITY_KEEP_MAX = 8
RECENT_KEEP_MAX = 16
WINDOW_MS_MAX = 366 * DAY_MS
DURATION_MS_MAX = 3_660 * DAY_MS

MODELS_MAX = 8
SETS_MAX = 8
PRIOR_MAX = 1_000_000
MEMORY_MIN = 1_000
MEMORY_MAX = 10_000_000
OPEN_EXAMPLES_MAX = 5
"""Of a user and a model, at once: so many times `every` reaches at least as far as `within`."""

TAGS_MAX = 60
"""Groups included: tags are bits of one 64-bit word."""

TAG_DEPTH_MAX = 8
JOURNEYS_MAX = 50
STAGES_MAX = 8
ABOUT_BYTES_MAX = 1_000
PRIORITY_MAX = 1_000

RULE_LENGTH_MAX = 1_000
RULE_DEPTH_MAX = 30
RULE_STACK_MAX = RULE_DEPTH_MAX + 2
"""Values that a program has on its stack at most: one for each level, two of a chain."""

RULE_COMPARISONS_MAX = 16
PROGRAM_LENGTH_MAX = 256
NUMBER_MAX = 2.0**53
