"""Bugs of data.py: name: (function, code, what it becomes, the test that must fail)."""

BUGS = {}
