"""Faults on purpose: seeded schedules of strikes, and striking the workers of an installation on this machine."""
