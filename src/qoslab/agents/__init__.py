"""Synchronous rounds between agents that see only what their neighbours say."""
