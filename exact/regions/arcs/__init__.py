"""Curves cut into arcs and intervals: what engines return (`cells`), what users hold (`partition`,
`batches`), proofs (`certificate`), engines.
"""
