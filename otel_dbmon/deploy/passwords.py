"""Makes passwords, and the hashes that a listener keeps instead of them; a hash that still fits stays as it is."""

from __future__ import annotations

import secrets

import bcrypt

#: What the exporter toolkit recommends: each new connection pays for it.
_ROUNDS = 10
_BYTES = 24


def new_password() -> str:
    """A password that nobody has to remember: 192 bits, safe in URLs, headers and shells."""
    return secrets.token_urlsafe(_BYTES)


def hashed(password: str, present: str | None = None) -> str:
    """The bcrypt hash of a password: the present one if it is that, so that nothing changes needlessly."""
    if present is not None and fits(password, present):
        return present
    return bcrypt.hashpw(password.encode(), bcrypt.gensalt(_ROUNDS)).decode()


def fits(password: str, hash_of_it: str) -> bool:
    """Whether a hash is that of a password; what is no hash fits nothing."""
    try:
        return bcrypt.checkpw(password.encode(), hash_of_it.encode())
    except ValueError:
        return False
