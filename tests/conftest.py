"""What every test shares: reproducible examples, and no deadline that a busy machine could miss."""

from hypothesis import HealthCheck, settings

settings.register_profile(
    "qoslab", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("qoslab")
