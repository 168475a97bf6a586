"""Learned load balancing: environments, what a learner sees, and a network that is evaluated inside the simulator."""
