"""Recordings: read, write, perturb, play. Knows the events and Kafka, never the database."""
