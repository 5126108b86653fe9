"""The stream platform: events in from Kafka, metrics and alarms out to TimescaleDB and Kafka.

Imports point down: app > agents > storage | alerts | replay | ingest > core > schema.
"""
