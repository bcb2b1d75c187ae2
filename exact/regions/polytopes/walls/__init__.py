"""The facets of a region from its hinges: by linear programmes (`facets`), and in boxes of many
dimensions (`bounded_facets`).
"""
