"""Proof by replay: what a recording gave once, it must give again, row for row and decision for decision."""
