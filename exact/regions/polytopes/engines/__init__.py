"""Engines that cut flat domains, and their parts: an engine is a class that `ENGINES` of
`exact.partition` lists (`brute_force`, `facet_walk`, `lp_tree`, `round_layers`, `skeleton`,
`subdivision`, `vertices`); the other files here serve them.
"""
