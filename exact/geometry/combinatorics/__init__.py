"""Codes, graphs and incidences: nothing here has a coordinate."""
