"""Laws that hold for every network, tried on random ones."""
