"""Engines that cut spheres: one file each."""
