"""Settings of this process, read once from its environment."""

from __future__ import annotations

import os

from streams.schema.settings import Settings, read_settings


def process_settings() -> Settings:
    """Raises ConfigurationInvalid with the variable's name."""
    return read_settings(os.environ)
