"""Says where a pool's connections go, and what the pool is called if nobody gave it a name."""

from __future__ import annotations

from typing import NamedTuple


class Target(NamedTuple):
    """Where a pool's connections go.

    Attributes:
        system: ``db.system.name``.
        namespace: ``db.namespace``, "" if unknown.
        address: ``server.address``, "" if unknown.
        port: ``server.port``, 0 if unknown.
        name: What the application calls the pool, "" for nothing.
    """

    system: str
    namespace: str = ""
    address: str = ""
    port: int = 0
    name: str = ""

    @classmethod
    def of(cls, system: str, namespace: object, address: object, port: object, name: str = "") -> Target:
        """A target from whatever a URL or a connection string says; where a password was misread, only the product."""
        host, database, number = str(address or ""), str(namespace or ""), str(port or "")
        # A password that was not escaped: the parser took a part of it for the host, the rest for the database.
        if "@" in host or (host and "@" in database) or "://" in database:
            return cls(system, name=name)
        return cls(system, database, host, int(number) if number.isdecimal() else 0, name)

    @property
    def database(self) -> str:
        """The label ``database``: the namespace, or the product where that is unknown."""
        return self.namespace or self.system

    @property
    def pool(self) -> str:
        """The pool's name before it is made distinct: ``server.address:server.port/db.namespace``, as far as known.

        Source: ``db.client.connection.pool.name`` in the semantic conventions.
        """
        if self.name:
            return self.name
        server = f"{self.address}:{self.port}" if self.address and self.port else self.address
        return "/".join(part for part in (server, self.namespace) if part) or self.system

    def serves(self, namespace: str, address: str, port: int) -> bool:
        """Whether a statement seen there may have come from this pool; what either side does not know, matches."""
        known = ((self.namespace, namespace), (self.address, address), (self.port, port))
        return all(mine == its for mine, its in known if mine and its)
