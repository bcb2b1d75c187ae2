"""A network on a domain, which engines read: charts of domains, walks of points, balls and
functions through the steps of a network, bounds, filters.
"""
