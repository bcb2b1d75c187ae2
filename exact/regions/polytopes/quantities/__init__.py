"""What the regions of a flat domain measure, and which outputs win on them, for all at once."""
