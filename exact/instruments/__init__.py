"""What is computed of networks and partitions beyond the regions: counts, radii, decisions, norms;
each file stands alone.
"""
