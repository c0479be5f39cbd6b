"""Lays monitoring out for services: what to add to each, the stack beside them, certificates and passwords.

Everything is planned first as changes of files, shown, then written as one; no service process imports this package.
"""
