"""From video to camera-observation events: capture, detect, track, zones, health. Reads nothing from Kafka.

Frames leave this package only as counts.
"""
