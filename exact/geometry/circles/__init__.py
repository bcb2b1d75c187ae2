"""Circles on a 2-sphere: how they meet, the cell complex they cut, lengths and areas."""
