"""Figures: the floor where what `exact` found becomes float and is drawn."""
