"""Verifiers of complexes of polytopes that fill a domain: with vertices at which no more than d
constraints meet (`simple`), with any (`cells`), and with all faces listed (`faces`, of the first
two formats).
"""
