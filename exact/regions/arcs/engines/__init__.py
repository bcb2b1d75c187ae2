"""Engines that cut curves, and their parts: an engine is a class that `ENGINES` of
`exact.partition` lists (`circle`, `nested_roots`, `slice_line`); the other files here serve them.
"""
