"""Networks as data: layers, activations, norms, exact values at points."""
