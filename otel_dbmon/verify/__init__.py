"""Proves that a service or a whole deployment works: one check after the other, each with advice where it fails.

One module holds the checks of one subject; `registry.py` puts them in order. No service process imports this package.
"""
