"""Engines that cut curves: one file each."""
