"""Two partitions side by side: of one network at eps = 0 and at its own, and of two networks on one
domain.
"""
