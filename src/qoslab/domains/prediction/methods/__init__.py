"""Predictors, one per file."""
