"""One reader for each kind of certificate."""
