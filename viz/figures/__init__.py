"""One figure per file: a function that draws into given axes and returns its artists, and one that
makes the whole figure, under `@figure(...)` of `viz.catalogue`, by which `exactlens draw` finds it.
"""
