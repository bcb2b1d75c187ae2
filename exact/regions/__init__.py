"""The regions a domain is cut into: what all kinds share here, and one wing for each kind."""
