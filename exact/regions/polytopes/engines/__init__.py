"""Engines that cut flat domains, and their parts: an engine is a class that `ENGINES` of
`exact.partition` lists (`brute_force`, `facet_walk`, `live_tree`, `lp_tree`, `round_layers`,
`skeleton`, `slice` in `sliced`, `slice_graph`, `subdivision`, `vertices`); the other files here
serve them.
"""
