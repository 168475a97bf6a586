"""Synchronous rounds between agents that agree over a network."""
