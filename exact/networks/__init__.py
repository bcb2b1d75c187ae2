"""Networks as data: layers and their operators, norms, activations, exact values at points. A norm
is one class in `norms`, an activation one in `activations`, a layer that is no dense matrix one
operator in `operators`.
"""
