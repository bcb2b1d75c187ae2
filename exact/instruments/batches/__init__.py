"""Instruments that answer for many rows at once: arrays in, arrays with proved bounds out."""
