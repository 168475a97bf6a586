"""Ways to make one model of clients' updates, one per file."""
