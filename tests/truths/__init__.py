"""Small networks whose counts are theorems, in data files, and the test that every engine
reproduces them.
"""
