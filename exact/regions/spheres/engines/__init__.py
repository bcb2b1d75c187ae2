"""Engines that cut spheres, and their parts: an engine is a class that `ENGINES` of
`exact.partition` lists (`small_circles`, `sphere_polytopes`, `sphere_flats` in `strata`,
`sphere_subdivision` in `subdivision`); the other files here serve them.
"""
