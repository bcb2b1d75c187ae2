"""Engines that cut spheres, and their parts: an engine is a class that `ENGINES` of
`exact.partition` lists; the other files here serve them.
"""
