from __future__ import annotations

from streams.schema.topics import Topics


def test_namespaces_share_no_topic() -> None:
    live, replay = Topics("ioc", 4), Topics("replay1", 4)
    assert not {topic.name for topic in live.all} & {topic.name for topic in replay.all}


def test_commands_reach_the_worker_that_holds_the_alarm() -> None:
    topics = Topics("ioc", 4)
    assert topics.alarms.partitions == topics.operator_commands.partitions
    assert topics.alarms.key == topics.operator_commands.key
