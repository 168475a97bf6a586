"""Routing planners as plain functions: expected throughput of wide paths, flows with a hop bound, live graphs."""
