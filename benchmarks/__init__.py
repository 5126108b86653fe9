"""Measurements, run by hand: ratios side by side in one run. Never tests."""
