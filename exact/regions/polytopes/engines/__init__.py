"""Engines that cut flat domains: one file each."""
