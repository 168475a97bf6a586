"""The fields of work, ten siblings of one inner shape; they never import each other."""
