"""Ways to choose direct followers, one per file."""
