"""Names and shapes of the Kafka topics. A namespace keeps an isolated run (a replay, a test) away from the live one."""

from __future__ import annotations

from dataclasses import dataclass

DAY_MS = 24 * 3600 * 1000
MAX_MESSAGE_BYTES = 16 * 1024 * 1024


@dataclass(frozen=True)
class Topic:
    """name: on the broker; key: what orders and partitions it; config: as Kafka's topic configuration."""

    name: str
    key: str
    partitions: int
    config: dict[str, str]


@dataclass(frozen=True)
class Topics:
    """The topics of one namespace. Input topics and what is joined to them have the same partition count."""

    namespace: str
    partitions: int

    def _topic(self, name: str, key: str, retention_days: int, **config: str) -> Topic:
        return Topic(
            f"{self.namespace}.{name}",
            key,
            self.partitions,
            {
                "retention.ms": str(retention_days * DAY_MS),
                "max.message.bytes": str(MAX_MESSAGE_BYTES),
                **config,
            },
        )

    @property
    def camera_observations(self) -> Topic:
        return self._topic("observations.camera", "camera", 7)

    @property
    def traffic_readings(self) -> Topic:
        return self._topic("observations.traffic", "corridor", 7)

    @property
    def alarms(self) -> Topic:
        return self._topic("alarms", "source", 90)

    @property
    def operator_commands(self) -> Topic:
        return self._topic("operator.commands", "source", 90)

    @property
    def dead_letters(self) -> Topic:
        return self._topic("dead-letters", "topic-partition-offset", 30)

    @property
    def group(self) -> str:
        """Consumer group of the workers, which is also the id of their Faust app."""
        return f"{self.namespace}-streams"

    def table(self, source: Topic) -> str:
        """Name of the Faust table that holds the states of an input topic's sources."""
        return source.name.replace(".", "-")

    def changelog(self, source: Topic) -> Topic:
        """The changelog of that table, under the name that Faust gives it.

        Made before the workers start: a worker that makes its own may join its group before the broker knows the
        topic, and then waits for ever.
        """
        kept = {"cleanup.policy": "compact", "segment.bytes": str(32 * 1024 * 1024)}
        limits = {"max.message.bytes": str(MAX_MESSAGE_BYTES)}
        return Topic(f"{self.group}-{self.table(source)}-changelog", source.key, source.partitions, kept | limits)

    @property
    def inputs(self) -> tuple[Topic, ...]:
        """Topics that carry observations and ticks."""
        return (self.camera_observations, self.traffic_readings)

    @property
    def all(self) -> tuple[Topic, ...]:
        changelogs = (self.changelog(topic) for topic in self.inputs)
        return (*self.inputs, self.alarms, self.operator_commands, self.dead_letters, *changelogs)
