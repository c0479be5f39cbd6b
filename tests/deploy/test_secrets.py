"""Certificates and passwords: what is made, that it is private, that it lasts, and that the programs take it."""

from __future__ import annotations

import shutil
import socket
import ssl
import stat
import threading
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.x509.verification import PolicyBuilder, Store

from otel_dbmon.deploy.certificates import BrokenCertificateError
from otel_dbmon.deploy.components import CALLERS, COMPONENTS
from otel_dbmon.deploy.credentials import Renewal, create_secrets, plan_secrets
from otel_dbmon.deploy.passwords import fits
from otel_dbmon.deploy.writing import write

DOMAINS = ["monitoring.svc"]
NOW = datetime.now(timezone.utc)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of secrets that no test changes."""
    folder = tmp_path_factory.mktemp("deployed") / "secrets"
    create_secrets(folder, DOMAINS)
    return folder


@pytest.fixture
def own(made: Path, tmp_path: Path) -> Path:
    """A copy of it for one test."""
    return Path(shutil.copytree(made, tmp_path / "own"))


def contents(folder: Path) -> dict[str, bytes]:
    """Every file below a folder."""
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def certificate(folder: Path, name: str) -> x509.Certificate:
    """A certificate of the folder."""
    return x509.load_pem_x509_certificate((folder / f"{name}.pem").read_bytes())


def test_everything_is_there(made: Path) -> None:
    """One pair and one password a component, the authority, one web configuration a listener."""
    expected = {f"{name}.{kind}" for name in COMPONENTS for kind in ("pem", "key", "password")}
    assert set(contents(made)) == expected | {"ca.pem", "ca.key"} | {f"web/{name}.yml" for name in CALLERS}


def test_nobody_else_can_read_it(made: Path) -> None:
    """Files are 0600, folders 0700, whatever the umask of the caller."""
    modes = {path: stat.S_IMODE(path.stat().st_mode) for path in (made, *made.rglob("*"))}
    assert {mode for path, mode in modes.items() if path.is_dir()} == {0o700}
    assert {mode for path, mode in modes.items() if path.is_file()} == {0o600}


def test_a_key_that_others_can_read_is_closed(own: Path) -> None:
    """Permissions are put right even where the content is."""
    (own / "gateway.key").chmod(0o644)
    assert create_secrets(own, DOMAINS) == [own / "gateway.key"]
    assert stat.S_IMODE((own / "gateway.key").stat().st_mode) == 0o600


def test_twice_changes_nothing(own: Path) -> None:
    """The second time finds everything good."""
    first = contents(own)
    assert create_secrets(own, DOMAINS) == []
    assert contents(own) == first


@pytest.mark.parametrize("component", COMPONENTS)
def test_a_certificate_holds_for_its_names(made: Path, component: str) -> None:
    """By a verifier that knows the rules of the web, as a server and as a client."""
    store = Store(x509.load_pem_x509_certificates((made / "ca.pem").read_bytes()))
    builder = PolicyBuilder().store(store).time(NOW)
    for name in (component, f"{component}.monitoring.svc", "localhost"):
        builder.build_server_verifier(x509.DNSName(name)).verify(certificate(made, component), [])
    builder.build_client_verifier().verify(certificate(made, component), [])


@pytest.mark.parametrize(
    ("days", "anew"),
    [
        (300, set()),
        (350, set(COMPONENTS)),
        (3000, {*COMPONENTS, "ca"}),
    ],
)
def test_what_ends_soon_is_made_anew(made: Path, days: int, anew: set[str]) -> None:
    """Two months before a certificate's end, two years before the authority's, which keeps its key."""
    planned = plan_secrets(made, DOMAINS, now=NOW + timedelta(days=days))
    changed = {change.path.name for change in planned if change.is_needed}
    assert changed == {f"{name}.pem" for name in anew} | {f"{name}.key" for name in anew - {"ca"}}


def test_new_names_get_a_new_certificate(made: Path) -> None:
    """Of each component, and nothing else changes."""
    changed = {change.path.name for change in plan_secrets(made, ["elsewhere.svc"]) if change.is_needed}
    assert changed == {f"{name}.{kind}" for name in COMPONENTS for kind in ("pem", "key")}


def test_a_rotated_authority_and_the_old_one_trust_each_other(own: Path) -> None:
    """Whoever has the new bundle accepts old certificates: components can be restarted one by one."""
    old = certificate(own, "gateway")
    create_secrets(own, DOMAINS, renewal=Renewal(authority=True))
    store = Store(x509.load_pem_x509_certificates((own / "ca.pem").read_bytes()))
    verifier = PolicyBuilder().store(store).time(NOW).build_server_verifier(x509.DNSName("gateway"))
    for leaf in (old, certificate(own, "gateway")):
        verifier.verify(leaf, [])
    assert certificate(own, "gateway") != old
    assert create_secrets(own, DOMAINS) == []


def test_new_passwords_get_new_hashes(own: Path) -> None:
    """A listener's file follows; certificates stay."""
    (own / "grafana.password").write_text("chosen by a person\n")
    create_secrets(own, DOMAINS)
    text = (own / "web" / "prometheus.yml").read_text()
    (hash_of_it,) = [line.split()[1] for line in text.splitlines() if line.startswith("  grafana:")]
    assert fits("chosen by a person", hash_of_it)
    keys = {name for name in contents(own) if name.endswith(".key")}
    before = contents(own)
    create_secrets(own, DOMAINS, renewal=Renewal(passwords=True))
    assert all(before[name] == text for name, text in contents(own).items() if name in keys)
    assert all(before[name] != text for name, text in contents(own).items() if name.endswith(".password"))


@pytest.mark.parametrize("what", ["certificate of another", "no PEM", "nothing"])
def test_a_broken_authority_is_left_to_a_person(own: Path, what: str) -> None:
    """Nothing is written over it: all that it issued would be worth nothing."""
    match what:
        case "certificate of another":
            write(own / "ca.pem", (own / "agent.pem").read_bytes(), 0o600)
        case "no PEM":
            write(own / "ca.pem", b"hello", 0o600)
        case _:
            (own / "ca.key").unlink()
    before = contents(own)
    with pytest.raises(BrokenCertificateError, match=r"ca\.(pem|key)"):
        create_secrets(own, DOMAINS)
    assert contents(own) == before


@pytest.mark.parametrize("client", ["agent", "stranger", None])
def test_mutual_tls_lets_nobody_else_in(made: Path, tmp_path: Path, client: str | None) -> None:
    """OpenSSL takes a certificate of the authority, and neither another's nor none."""
    create_secrets(tmp_path)
    listener = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=made / "ca.pem")
    listener.verify_mode = ssl.CERT_REQUIRED
    listener.load_cert_chain(made / "gateway.pem", made / "gateway.key")
    caller = ssl.create_default_context(cafile=made / "ca.pem")
    if client is not None:
        folder, name = (made, client) if client == "agent" else (tmp_path, "agent")
        caller.load_cert_chain(folder / f"{name}.pem", folder / f"{name}.key")
    assert greets(listener, caller) == (client == "agent")


def greets(listener: ssl.SSLContext, caller: ssl.SSLContext) -> bool:
    """Whether a listener answers a caller."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            connection, _ = server.accept()
            try:
                with listener.wrap_socket(connection, server_side=True) as secured:
                    secured.sendall(b"hello")
            except ssl.SSLError:
                connection.close()

        thread = threading.Thread(target=answer)
        thread.start()
        try:
            with (
                socket.create_connection(server.getsockname(), timeout=10) as plain,
                caller.wrap_socket(plain, server_hostname="localhost") as secured,
            ):
                return secured.recv(5) == b"hello"
        except OSError:
            return False
        finally:
            thread.join()
