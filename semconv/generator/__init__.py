"""Turns the registry's YAML into constants, launcher flags and reference tables. A development tool, not shipped."""
