"""Numbers as text: in files, and in the `repr` of public objects."""
