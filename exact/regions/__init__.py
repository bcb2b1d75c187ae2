"""The regions a domain is cut into: what all kinds share here, and one wing for each kind.

A new kind of region is a wing beside the others with the same files (`cells`, `partition`,
`certificate`, `records`, `engines`), a domain in `exact.geometry.domains` with its chart in
`exact.propagation`, a verifier in `exact.check.kinds` that `KINDS` of `exact.check` lists, and two
entries of `exact.partition`: `ENGINES` and `VIEWS`. What `studies` prints of it and `viz` draws of
it registers itself there.
"""
