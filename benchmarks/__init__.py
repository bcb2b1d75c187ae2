"""How fast the engines are: against other programs, against plain linear programming, and against
the limits.

`python -m benchmarks` (`make bench`) measures every job in a fresh process and prints tables.
Nothing here is imported by the packages; the other programs live in an environment of their own
(`make bench-env`).
"""
