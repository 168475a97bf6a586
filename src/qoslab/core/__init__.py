"""The nouns of the laboratory: scenario, method, metric, outcome, registry, seeds, located errors."""
