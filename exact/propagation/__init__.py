"""A network on a domain: charts, walks through layers, bounds, filters."""
