"""A Ray cluster of our own, for studies and for agents; Ray itself is imported by those who use it."""

from __future__ import annotations

from typing import Any

__all__ = ["start_cluster"]


def start_cluster(ray: Any) -> None:
    """Start a cluster that other machines cannot reach.

    Left to itself Ray listens on all addresses. It has a mode without, for systems whose firewalls would ask, which
    is chosen by an environment variable when Ray is imported; that may long have happened.

    Args:
        ray: The module.
    """
    constants = ray._private.ray_constants
    usual = getattr(constants, "ENABLE_RAY_CLUSTER", True)
    constants.ENABLE_RAY_CLUSTER = False
    try:
        ray.init(
            address="local",
            include_dashboard=False,
            logging_level="error",
            log_to_driver=False,
            _node_ip_address="127.0.0.1",
        )
    finally:
        constants.ENABLE_RAY_CLUSTER = usual
