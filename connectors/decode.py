"""One record after the other, from bytes to a row of each column: the checks of docs/semantics.md in order.

A check returns a fate (see `connectors.fates`): EVENT_FATE lets the next one look, anything else is final.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from connectors.fates import EVENT_FATE, control_fate, fault
from connectors.fields import check_fields, text_token
from connectors.layout import (
    ANONYMOUS_ID,
    CONTROL,
    CONTROL_CODE,
    CONTROL_NAMES,
    EVENT,
    EVENT_NAMES,
    MESSAGE_ID,
    ORIGINAL_TIMESTAMP,
    PROPERTIES,
    RECEIVED_AT,
    ROOT,
    SENT_AT,
    TIMESTAMP,
    TRACK,
    TRAITS,
    TYPE,
    TYPE_NAMES,
    USER_ID,
    Layout,
)
