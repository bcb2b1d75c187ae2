"""A graph on a slice of its input space, cut exactly: patches, cells of them, and their pieces."""
