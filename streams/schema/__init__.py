"""The vocabulary: what happens (events), what exists (site), how a process is wired (settings, topics).

Knows neither Faust, Kafka, psycopg nor OpenCV: every other package may import it.
"""
