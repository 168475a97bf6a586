"""Studies: planning trials, running them on an executor, keeping each as it ends, and reading them back.

This room knows no domain: it sees registry ids, import paths and tidy rows.
"""
