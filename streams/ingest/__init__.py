"""The HTTP door for road-sensor gateways: a batch comes in, is checked, and is answered once Kafka holds it.

Decides who may post, what is well-formed and what exists on this site. Refuses to know what is plausible
(streams.core.quality) and what becomes of a reading afterwards; it never touches the database.
"""
