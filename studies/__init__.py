"""The questions, the command line and the report: the one floor that uses all the others."""
