"""Where balancing leaves the laboratory: a controller that sets a real proxy's weights, tried in the simulator first."""
