"""Is there a point inside all halfspaces: linear programmes, exactly (`lp`), and in boxes of many
dimensions (`boxes`).
"""
