"""Flat domains cut into convex polytopes, and the cells of a norm's ball: what engines return
(`cells`), what users hold (`partition`, `norm_ball`), proofs (`certificate`), engines.
"""
