"""Takes a listener and its callers' passwords, gives the web configuration of the Prometheus exporter toolkit.

Whoever calls needs both a certificate of our authority and a password. Paths are relative to the file, so that the
folder can be mounted anywhere.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from otel_dbmon.deploy.passwords import hashed

_USER = re.compile(r"^  ([a-z]+): (\$2b\$\S+)$", re.MULTILINE)


def web_config(component: str, passwords: Mapping[str, str], present: str = "") -> str:
    """The text of ``web/<component>.yml``.

    Args:
        component: Whose certificate it answers with.
        passwords: Caller -> password.
        present: The text that is there; its hashes stay where they still fit.
    """
    hashes = dict(_USER.findall(present))
    users = "".join(f"  {user}: {hashed(password, hashes.get(user))}\n" for user, password in sorted(passwords.items()))
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
