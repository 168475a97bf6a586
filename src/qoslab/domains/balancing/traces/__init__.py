"""Real input: request traces, access logs, rates, size tables and drift of speeds, read into plain arrays."""
