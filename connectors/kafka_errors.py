"""What goes wrong with Kafka, in words for the person who must act."""

from __future__ import annotations

from confluent_kafka import KafkaError, KafkaException

from connectors.kafka_settings import KafkaSettings

FENCED_CODES = frozenset(
    {KafkaError._FENCED, KafkaError.PRODUCER_FENCED, KafkaError.INVALID_PRODUCER_EPOCH}
)
"""Another producer with our transactional id has begun since."""

TIMED_OUT = frozenset({KafkaError._TIMED_OUT, KafkaError._IN_PROGRESS, KafkaError._CONFLICT})
"""A call did not come back in time, or an earlier one of the same kind still goes on."""

ELSEWHERE = (
    "start the broker (as `docker compose up` does), or see to --kafka (host, port) and "
    "--kafka-options (TLS, password)"
)
FIXES = {
    KafkaError._ALL_BROKERS_DOWN: ELSEWHERE,
    KafkaError._TRANSPORT: ELSEWHERE,
    KafkaError._RESOLVE: "see that --kafka names the right host",
    KafkaError._TIMED_OUT: "see that the broker runs and is not overloaded",
    KafkaError._MSG_TIMED_OUT: "see that the broker runs and is not overloaded",
    KafkaError._AUTHENTICATION: "see to sasl.username, sasl.password and sasl.mechanism",
    KafkaError._SSL: "see to the ssl.* settings, and that the port is one for TLS",
    KafkaError._UNKNOWN_TOPIC: "create the topics: beckon topics create",
    KafkaError.UNKNOWN_TOPIC_OR_PART: "create the topics: beckon topics create",
    KafkaError._UNKNOWN_PARTITION: "the topics differ in partitions: beckon topics check",
    KafkaError.TOPIC_AUTHORIZATION_FAILED: "have the broker allow this user to use the topic",
    KafkaError.GROUP_AUTHORIZATION_FAILED: "have the broker allow this user the group",
    KafkaError.CLUSTER_AUTHORIZATION_FAILED: "have the broker allow this user to do this",
    KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED: "have the broker allow this user the "
    "transactional ids beckon-relay-* and beckon-redrive-*",
    KafkaError.MSG_SIZE_TOO_LARGE: "raise the topic's max.message.bytes: beckon topics check",
}


class BrokerError(OSError):
    """The broker cannot be reached, or refuses what is asked."""


class RelayStuck(BrokerError):  # noqa: N818  (an event of normal life, not a fault)
    """A call to the broker does not come back; whether it happened is not known."""


def broker_error(settings: KafkaSettings, doing: str, error: KafkaError) -> BrokerError:
    """What the broker refused, or the way to it, while `doing` (as "reading beckon.events")."""
    fix = FIXES.get(error.code(), "see the broker's log")
    return BrokerError(f"Kafka at {settings.servers}: {doing}: {plainly(error)}; {fix}")


def plainly(error: KafkaError) -> str:
    """An error without librdkafka's own names for who met it."""
    said = error.str().removeprefix("FindCoordinator response error: ")
    return f"{said.strip()} ({error.name().lstrip('_')})"


def cause(exception: KafkaException) -> KafkaError:
    """The error that an exception carries."""
    error = exception.args[0]
    assert isinstance(error, KafkaError), f"a KafkaException without its error: {exception!r}"
    return error
