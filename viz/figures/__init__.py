"""One figure per file: a function that draws into given axes and returns its artists, and one that
makes the whole figure.
"""
