"""The only place that wires everything: command line and Python facade."""
