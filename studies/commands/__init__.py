"""What the commands of `exactlens` do; imported when one of them runs, since they need the heavy
libraries.
"""
