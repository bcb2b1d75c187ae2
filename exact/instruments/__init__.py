"""Questions asked of networks and partitions; each file stands alone."""
