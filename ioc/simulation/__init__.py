"""Invented observations with known truth: halls as a queueing simulation, roads with SUMO. A development tool.

Nothing that runs in the platform imports this package. No figure it makes is a real count.
"""
