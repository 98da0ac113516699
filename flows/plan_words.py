"""Where things stand in `plan.ints`: the words that `flows.plan` writes and compiled code reads.

Word 0 is `ROW_WORDS`. The other words of the head name the starts and lengths of tables; a table is
a run of records of a fixed number of words. Programs and lists are runs of their own length, named
by their start; start 0 means "none".
"""

FEATURES, FEATURE_COUNT = 1, 2
EVENTS, EVENT_COUNT = 3, 4
TAGS = 5
JOURNEYS, JOURNEY_COUNT = 7, 8
ALL_TAGS = 9
"""The scope of settling everything."""
SWEEP_WINDOWS, SWEEP_TURNS, SWEEP_READS = 10, 11, 12
"""Lists for what time can turn: of pairs of a windowed feature and the scope that settles when one
of its tiles leaves, and of a turn and its scope (a list's length counts pairs); and of the features
that turns are reckoned with."""
CHANNELS, CHANNEL_COUNT = 13, 14
ITEM_COLUMN, PRICE_COLUMN, QUANTITY_COLUMN, CATEGORY_COLUMN, CART_COLUMN = range(15, 20)
CHANNEL_COLUMN = 20
EMAIL_CHANNEL = 21
TRIGGER_COLUMN = 22
COLUMN_KINDS = 23
ALL_FEATURES = 24
LIVE_FROM = 25
"""Stages with an earlier deadline (ms) are not sent; 0: there are none."""
MODELS, MODEL_COUNT = 26, 27
ALL_SCORES = 28
"""The scores block of all models."""
LOOK_SCORES, LOOK_SCOPE = 29, 30
"""The scores block of the models whose scores are held for tags, and what settles at a look by
time alone; 0: tags read no propensity."""
DRAINING = 31
"""1 while all that is pending is decided ahead of time: what recurs each day does not go on."""
GROUPS, GROUP_COUNT = 32, 33
"""The models that are sampled, group by group."""
HEAD_WORDS = 34

EVENT_WORDS = 10
"""The record before the first event's is that of an event that the configuration does not name."""
OPS, OP_COUNT, SCOPE, ENTERS, EXITS, GOALS, CART_ROLE, CONSENT_ROLE = range(8)
OUTCOMES, WAKES = 8, 9
"""OUTCOMES: a byte per group of models, whose bits are the models that the event is an outcome of.
WAKES: bits of the groups whose `eligible` rules read what the event changes."""

OP_WORDS = 3
OP_RECORD, OP_WEIGHT, OP_SOURCE = range(3)
SOURCE_NONE, SOURCE_LINES = -1, -2

CART_NONE, CART_ADD, CART_REMOVE, CART_REPLACE, CART_ORDER = range(5)
CONSENT_NONE, CONSENT_UNSUBSCRIBE, CONSENT_TRAITS = range(3)

CHANNEL_WORDS = 2
CHANNEL_TEXT, CHANNEL_TRAIT = range(2)

TAG_WORDS = 6
TAG_RULE, TAG_KEEP_MS, TAG_KEEP_WORD, TAG_BLOCKERS, TAG_ANCESTORS, TAG_SINCE = range(6)

SCOPE_WORDS = 9
(
    SCOPE_TAGS,
    SCOPE_RULES,
    SCOPE_STAYS,
    SCOPE_KEPT,
    SCOPE_FEATURES,
    SCOPE_WINDOWS,
    SCOPE_TURNS,
    SCOPE_SCORES,
    SCOPE_UNSCORED,
) = range(SCOPE_WORDS)
"""What settles together: bits of tags, groups included; and lists. Of the tags with rules; of pairs
of a group and the bits of tags for which it is held whatever settles (the list's length counts
pairs); of the tags that are kept; of the features that the rules read, of those among them that
have windows and were touched, and of the records of their turns. Then the scores block of the
models that were touched, whose scores are held for tags; 0: there are none. Last the scope of what
settles if a look leaves all those scores as they were; 0: nothing does."""

TURN_WORDS = 3
TURN_FEATURE, TURN_PROGRAM, TURN_WHEN = range(TURN_WORDS)
TURN_UP, TURN_ABOVE, TURN_BOTH, TURN_DAILY = range(4)

JOURNEY_WORDS = 13
(
    STATUS,
    PRIORITY,
    COOLDOWN,
    REENTRY_RESETS,
    ENTRY_TAG,
    ENTRY_WHEN,
    KEY_COLUMN,
    KEYED_BY_CART,
    EXIT_WHEN,
    STAGES,
    STAGE_COUNT,
    GOAL_WITHIN,
    CHANNEL_LIST,
) = range(JOURNEY_WORDS)
STATUS_LIVE, STATUS_SHADOW, STATUS_OFF = range(3)

STAGE_WORDS = 4
STAGE_AFTER, STAGE_TTL, STAGE_WHEN, STAGE_REASONS = range(STAGE_WORDS)
"""STAGE_REASONS: the list of the models of which a trigger tells why."""

PROGRAM_CODE, PROGRAM_FEATURES, PROGRAM_EVENT_FIELDS, PROGRAM_SCORES = range(4)
"""A program's head: starts of its code, of its list of features, of its list of event columns and
of its scores block. Code and lists are a count, then that many entries (code: two words each,
opcode and operand). The features are without propensities, which stand in the block."""

MODEL_WORDS = 9
(
    MODEL_FEATURE,
    MODEL_ELIGIBLE,
    MODEL_DEFAULT,
    MODEL_IS_COMPLEMENT,
    MODEL_LOOKED_DAILY,
    MODEL_NUMBERS,
    MODEL_TERMS,
    MODEL_INPUTS,
    MODEL_PARTS,
) = range(MODEL_WORDS)
"""The feature that is its propensity, the rule, the default (float64) and the numbers of the
version in force; of a complement those of its model. Whether it is looked at daily also for whom it
is missing, since time alone may change that. Lists: of its terms' registers and of its features;
and the first of as many lists, one behind the other, of the places in that one of the features of
each term."""

NUMBERS_HEAD = 3
NUMBERS_VERSION, NUMBERS_CLIP, NUMBERS_INTERCEPT = range(NUMBERS_HEAD)
NUMBERS_WORDS = 3
NUMBER_MEAN, NUMBER_SCALE, NUMBER_WEIGHT = range(NUMBERS_WORDS)
"""The version's short name as an int64 (0: none is in force); behind them of each term: floats."""

SCORES_WORDS = 5
SCORES_MODELS, SCORES_ASKED, SCORES_FEATURES, SCORES_INPUTS, SCORES_STEPS = range(SCORES_WORDS)
"""What is scored together, as lists: models; the features of their `eligible`, and of their terms;
pairs of a register and a feature, and runs of steps of one word (the lists' lengths count pairs
and runs)."""

RUN_HEAD = 2
RUN_WORD, RUN_COUNT = range(RUN_HEAD)
STEP_WORDS = 3
STEP_REGISTERS, STEP_LOW, STEP_HIGH = range(STEP_WORDS)
REGISTER_BITS = 16
REGISTER_MASK = (1 << REGISTER_BITS) - 1
"""A run's word and how many steps follow. A step's registers in one word, from the low bits on: of
its value and of its inputs; its constants."""

GROUP_WORDS = 9
(
    GROUP_EVERY_SECONDS,
    GROUP_NODES,
    GROUP_SCORES,
    GROUP_FEATURES,
    GROUP_CELLS,
    GROUP_MODELS,
    GROUP_MODEL_COUNT,
    GROUP_CHANNEL,
    GROUP_TRIGGER,
) = range(GROUP_WORDS)
"""Of a group of models: how many nodes a snapshot takes; the scores block of its models; lists of
the features to be read for it and of those that it keeps, in their order; the start of its models'
records. Of one model that is sampled when messages are sent (GROUP_EVERY_SECONDS is 0): the
channel, and the word of a snapshot that a trigger's id begins with; else GROUP_TRIGGER is 0."""
MODEL_BITS = 8
SAMPLED_WORDS = 2
SAMPLED_INDEX, SAMPLED_WITHIN = range(SAMPLED_WORDS)
"""Of a model: its index in the config, and its `within` (ms)."""

COLUMN_KIND_WORDS = 2
COLUMN_IS_TEXT, COLUMN_SCALE = range(2)
"""Per value column: whether it holds texts, and (float64) what a cell is divided by."""
