"""How Hypothesis runs here: no example is timed, because a busy or a new machine is slow and not wrong.

(The first text drawn on a new machine builds a table of Unicode categories, which alone takes a second or two.)
"""

from __future__ import annotations

from hypothesis import HealthCheck, settings

settings.register_profile("ioc", deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True)
settings.load_profile("ioc")
