"""Entanglement: quantum networks that share pairs over lossy links, store, swap and purify them."""
