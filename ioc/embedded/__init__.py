"""Kafka and TimescaleDB as the user's own processes: real servers for a machine without Docker."""
