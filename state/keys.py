"""Every key that Beckon keeps in Redis: its pattern, type, lifetime and writer, and nowhere else.

The keys of a partition share a hash tag, the part in braces, so that one transaction may write
them wherever a Redis Cluster would put them. Run as a program it prints the table of the docs.
"""

from __future__ import annotations

from msgspec import Struct

DEFAULT_PREFIX = "beckon"
LEASE_MS = 3_000
"""How long an owner that neither commits nor renews keeps its partition."""


class KeyKind(Struct, frozen=True, kw_only=True):
    """One kind of key. In the pattern capitals stand for what differs."""

    pattern: str
    type: str
    lifetime: str
    writer: str
    holds: str


CHECKPOINT = KeyKind(
    pattern="{PREFIX:PARTITION}:checkpoint",
    type="string",
    lifetime="for ever",
    writer="each commit",
    holds="JSON: next offset, clock, number of users, versions, owner; commits compare its bytes",
)
LEASE = KeyKind(
    pattern="{PREFIX:PARTITION}:lease",
    type="string",
    lifetime=f"{LEASE_MS // 1000} s",
    writer="the owner: taking a partition, renewing, each commit",
    holds="the token of the partition's owner; gone once it stops or releases",
)
ROW = KeyKind(
    pattern="{PREFIX:PARTITION}:row:USER",
    type="string",
    lifetime="for ever",
    writer="each commit, for the users it touched",
    holds="the packed profile of a user, for the engine",
)
DEADLINES = KeyKind(
    pattern="{PREFIX:PARTITION}:deadlines",
    type="sorted set",
    lifetime="for ever",
    writer="each commit, for the users it touched",
    holds="every user by the day of the next deadline (ms since 1970): the index of the rows",
)
OUTBOX = KeyKind(
    pattern="{PREFIX:PARTITION}:outbox",
    type="list",
    lifetime="for ever",
    writer="each commit",
    holds="triggers decided and perhaps not relayed to Kafka yet, in order of place",
)
AUDIENCE = KeyKind(
    pattern="{PREFIX:PARTITION}:audience:TAG",
    type="set",
    lifetime="for ever",
    writer="each commit, for the tags gained and lost",
    holds="the ids of the partition's users who hold the tag",
)
SHAPE = KeyKind(
    pattern="{PREFIX:PARTITION}:shape",
    type="string",
    lifetime="for ever",
    writer="the first commit with a config of other features, tags or journeys",
    holds="what reads the rows: features, tags, journeys and their places in a row",
)
CONFIG = KeyKind(
    pattern="{PREFIX:PARTITION}:config",
    type="string",
    lifetime="for ever",
    writer="the first commit, and the first with a config that was pushed",
    holds="the record of the config in force: the log may forget it, the profiles need it",
)
MODELS = KeyKind(
    pattern="{PREFIX:PARTITION}:models",
    type="hash",
    lifetime="for ever",
    writer="commits, with a version of a model that came in the log",
    holds="by model the record of its last version: the log may forget it, scores need it",
)
PARTITIONS = KeyKind(
    pattern="PREFIX:partitions",
    type="string",
    lifetime="for ever",
    writer="the first engine",
    holds="how many partitions the users are divided into",
)
PROFILE = KeyKind(
    pattern="PREFIX:profile:USER",
    type="string",
    lifetime="for ever",
    writer="commits, at most once a second and user; once in 30 s while far behind the log",
    holds="readable JSON of the profile, for everyone, with the position it is true for",
)
LEARNER = KeyKind(
    pattern="{PREFIX:learner}:state",
    type="string",
    lifetime="for ever",
    writer="the learner, each second in which it learns",
    holds="all that it knows, with its place in the topic of examples",
)
LEARNER_LEASE = KeyKind(
    pattern="{PREFIX:learner}:lease",
    type="string",
    lifetime=f"{LEASE_MS // 1000} s",
    writer="the learner",
    holds="the token of the one that learns; gone once it stops or releases",
)
HELD = KeyKind(
    pattern="{PREFIX:learner}:held",
    type="hash",
    lifetime="until `beckon models resume`",
    writer="`beckon models rollback`",
    holds="by model the version that was chosen, and that the learner does not replace",
)
KEYS = (
    *(CHECKPOINT, LEASE, ROW, DEADLINES, OUTBOX, AUDIENCE, SHAPE, CONFIG, MODELS),
    *(PARTITIONS, PROFILE, LEARNER, LEARNER_LEASE, HELD),
)


class PartitionKeys(Struct, frozen=True, kw_only=True):
    """The keys of one partition; those that end in `_start` are completed by a user id or a tag."""

    checkpoint: bytes
    lease: bytes
    deadlines: bytes
    outbox: bytes
    shape: bytes
    config: bytes
    models: bytes
    row_start: bytes
    audience_start: bytes


def partition_keys(prefix: str, partition: int) -> PartitionKeys:
    """The keys of a partition.

    >>> partition_keys("beckon", 3).row_start + b"ada"
    b'{beckon:3}:row:ada'
    """
    start = f"{{{prefix}:{partition}}}"

    def key(kind: KeyKind) -> bytes:
        _, behind = kind.pattern.split("{PREFIX:PARTITION}")
        return (start + behind.removesuffix("USER").removesuffix("TAG")).encode()

    return PartitionKeys(
        checkpoint=key(CHECKPOINT),
        lease=key(LEASE),
        deadlines=key(DEADLINES),
        outbox=key(OUTBOX),
        shape=key(SHAPE),
        config=key(CONFIG),
        models=key(MODELS),
        row_start=key(ROW),
        audience_start=key(AUDIENCE),
    )


class LearnerKeys(Struct, frozen=True, kw_only=True):
    """The keys of the learner."""

    state: bytes
    lease: bytes
    held: bytes


def learner_keys(prefix: str) -> LearnerKeys:
    """The keys of the learner.

    >>> learner_keys("beckon").state
    b'{beckon:learner}:state'
    """
    state, lease, held = (
        kind.pattern.replace("PREFIX", prefix).encode() for kind in (LEARNER, LEARNER_LEASE, HELD)
    )
    return LearnerKeys(state=state, lease=lease, held=held)


def partitions_key(prefix: str) -> bytes:
    """Where the number of partitions is."""
    return (prefix + PARTITIONS.pattern.removeprefix("PREFIX")).encode()


def profile_start(prefix: str) -> bytes:
    """What a user id completes to the key of the readable profile.

    >>> profile_start("beckon") + b"ada"
    b'beckon:profile:ada'
    """
    return (prefix + PROFILE.pattern.removeprefix("PREFIX").removesuffix("USER")).encode()


def key_table() -> str:
    """The table of the keys in Markdown."""
    heads = ("key", "type", "kept", "written by", "holds")
    rows = [(f"`{kind.pattern}`", *_cells(kind)) for kind in KEYS]
    lines = [heads, ("---",) * len(heads), *rows]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines).replace("| --- ", "|---")


def _cells(kind: KeyKind) -> tuple[str, str, str, str]:
    return (kind.type, kind.lifetime, kind.writer, kind.holds)


if __name__ == "__main__":
    print(key_table(), end="")
