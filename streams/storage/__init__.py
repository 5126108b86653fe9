"""The database: schema, writing, reading back. Knows TimescaleDB in both editions; knows nothing of streams."""
