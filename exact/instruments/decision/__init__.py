"""Where outputs tie, and the shape of what they decide."""
