"""The network, its layers, and what it is made of."""
