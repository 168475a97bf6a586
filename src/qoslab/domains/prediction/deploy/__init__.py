"""Where predictions leave the laboratory: kept models, commands, and a server on loopback."""
