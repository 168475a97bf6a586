"""The methods of this domain, one per file."""
