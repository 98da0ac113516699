"""Named steps at which a process can be told to kill itself, to prove that it may die anywhere.

BECKON_FAILPOINT="committed:3" ends it with SIGKILL when it comes to `committed` for the third time,
"committed:3:50" does so 50 ms later. Unset, as it is but for tests (`tests/chaos`), a failpoint
costs a comparison.
"""

from __future__ import annotations

import os
import signal
from itertools import count
from threading import Event
from typing import Literal, get_args

Failpoint = Literal[
    "begun",
    "loaded",
    "polled",
    "applied",
    "flushed",
    "committed",
    "relaying",
    "transacted",
    "relayed",
]
"""In the order in which an engine comes to them: the relay begun, the profiles loaded; records
polled, applied; what is sent at least once acknowledged, the commit done; the relay's transaction
about to begin, full but not committed, committed."""

LearnerFailpoint = Literal["learned", "saved", "half_published", "published"]
"""The same of a learner: examples learned; that saved; a version put into each partition but one,
and into that, too."""

FAILPOINTS: tuple[Failpoint, ...] = get_args(Failpoint)
LEARNER_FAILPOINTS: tuple[LearnerFailpoint, ...] = get_args(LearnerFailpoint)
VARIABLE = "BECKON_FAILPOINT"
NAME, COUNT, PAUSE_MS = (os.environ.get(VARIABLE, "") + "::").split(":")[:3]
_left = count(int(COUNT or 1) - 1, -1)


def failpoint(name: Failpoint | LearnerFailpoint) -> None:
    """End the process here, if it was told to."""
    if name == NAME and next(_left) == 0:
        # Other threads go on meanwhile: what was handed to a client is on its way then.
        Event().wait(int(PAUSE_MS or 0) / 1000)
        os.kill(os.getpid(), signal.SIGKILL)
