"""Programs that peers' own interpreters run."""
