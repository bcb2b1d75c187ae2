"""Many straight lines at once, through any depth."""
