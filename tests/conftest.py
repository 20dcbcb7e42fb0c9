"""Settings that all tests share."""

import os
import signal

from hypothesis import HealthCheck, settings

# Two busy cores make any deadline a coin toss. In CI the examples are the same every time, so that
# a red run means a change of the code.
settings.register_profile("default", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("ci", settings.get_profile("default"), derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "default")

# A background job of a shell ignores interrupts, and so would all that it starts: tests send them.
signal.signal(signal.SIGINT, signal.default_int_handler)
