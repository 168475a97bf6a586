"""What agents are to agree on: private costs of a shared decision, or decisions coupled by shared constraints."""
