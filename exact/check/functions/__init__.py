"""Functions of the parameters of a domain, carried through a network, and where they vanish."""
