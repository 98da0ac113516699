"""Kafka's hash, against the values of its own test suite."""

from __future__ import annotations

import numpy as np
import pytest

from connectors.murmur import fill_partitions, murmur2

KAFKA_VALUES = {
    b"21": -973932308,
    b"foobar": -790332482,
    b"a-little-bit-long-string": -985981536,
    b"a-little-bit-longer-string": -1486304829,
    b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8": -58897971,
    b"abc": 479470107,
}


@pytest.mark.parametrize("key", KAFKA_VALUES)
def test_a_key_hashes_as_in_kafka(key: bytes) -> None:
    data = np.frombuffer(b"xyz" + key + b"xyz", np.uint8).copy()
    assert murmur2(data, 3, len(key)) == KAFKA_VALUES[key] % 2**32


def test_a_key_is_in_the_partition_that_kafka_chooses() -> None:
    keys = list(KAFKA_VALUES)
    data = np.frombuffer(b"".join(keys), np.uint8).copy()
    length = np.array([len(key) for key in keys], np.int64)
    chosen = np.empty(len(keys), np.int64)
    fill_partitions(data, np.cumsum(length) - length, length, 7, chosen)
    assert chosen.tolist() == [(KAFKA_VALUES[key] & 0x7FFFFFFF) % 7 for key in keys]
