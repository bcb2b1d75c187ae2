"""Verifiers of the kinds of certificate that `KINDS` of `exact.check` lists, and their parts."""
