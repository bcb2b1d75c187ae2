"""Networks as data: layers and their operators, norms, activations, exact values at points. A norm,
an activation, an operator of another kind is one class here.
"""
