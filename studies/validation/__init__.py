"""Validation: approximate methods before their exact referees, on a population of networks.

`population` trains the networks, `problems` says where quantities are asked, `judge` runs methods
and referees, `scores` and `decisions` read the rows, `results` keeps them, `page` shows them.
"""
