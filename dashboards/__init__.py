"""Boards as functions that return data, and their provisioning. Reads SQL views only."""
