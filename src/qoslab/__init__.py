"""qoslab: the laboratory for quality of service in networks."""

__version__ = "0.1.0"
