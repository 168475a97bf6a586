"""What happens in a run, event by event, and the page that shows it."""
