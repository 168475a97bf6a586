"""Where balancing leaves the laboratory: a controller of a proxy's weights, tried in the simulator first."""
