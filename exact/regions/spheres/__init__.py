"""Spheres cut into cells and codes: what engines return (`cells`), what users hold (`partition`,
`codes`), proofs (`certificate`), engines.
"""
