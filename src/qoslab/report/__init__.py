"""From a table of trials to what a person reads: comparison, verdict, pages, figures, exports."""
