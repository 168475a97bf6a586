"""Where routing leaves the laboratory: a controller in a process of its own."""
