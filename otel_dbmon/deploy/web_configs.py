"""Takes a listener and its callers' hashes, gives the web configuration of the Prometheus exporter toolkit.

Whoever calls needs both a certificate of our authority and a password. Paths are relative to the file, so that the
folder can be mounted anywhere.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

_USER = re.compile(r"^  ([a-z]+): (\$2b\$\S+)$", re.MULTILINE)


def hashes_in(text: str) -> dict[str, str]:
    """Caller -> hash, of a web configuration that is there."""
    return dict(_USER.findall(text))


def web_config(component: str, hashes: Mapping[str, str]) -> str:
    """The text of ``web/<component>.yml``.

    Args:
        component: Whose certificate it answers with.
        hashes: Caller -> hash of its password.
    """
    users = "".join(f"  {user}: {hash_of_it}\n" for user, hash_of_it in sorted(hashes.items()))
    return f"""\
# Written by `otel-dbmon deploy`: no certificate of this authority, no password, no answer.
tls_server_config:
  cert_file: ../{component}.pem
  key_file: ../{component}.key
  client_ca_file: ../ca.pem
  client_auth_type: RequireAndVerifyClientCert
  min_version: TLS12
basic_auth_users:
{users}"""
