"""The parts of SHARP-QoS: features, structure, encoder, routing, balancing of losses, training."""
