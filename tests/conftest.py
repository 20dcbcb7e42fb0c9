"""Settings that all tests share."""

import os

from hypothesis import HealthCheck, settings

# Two busy cores make any deadline a coin toss. In CI the examples are the same every time, so that
# a red run means a change of the code.
settings.register_profile("default", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("ci", settings.get_profile("default"), derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "default")
