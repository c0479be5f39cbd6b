"""A private certificate authority: takes what is there and the names wanted, gives keys and certificates as PEM.

What is still good is given back byte for byte, so that asking twice changes nothing. A certificate is issued anew when
its end is near, when its names changed, or when the authority did; an authority whose end is near gets a new
certificate for the same key, and what it issued stays valid.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from ipaddress import ip_address

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

_AUTHORITY_LASTS = datetime.timedelta(days=3650)
_AUTHORITY_RENEWED = datetime.timedelta(days=730)
_LEAF_LASTS = datetime.timedelta(days=397)
_LEAF_RENEWED = datetime.timedelta(days=60)
#: Machines whose clocks are a little behind shall accept a new certificate, too.
_CLOCK_SKEW = datetime.timedelta(minutes=10)
_ORGANIZATION = "otel-dbmon"


class BrokenCertificateError(ValueError):
    """A key or certificate that is there cannot be used; the message says what to do, and holds nothing of it."""


@dataclass(frozen=True)
class Pair:
    """A private key and its certificate, both as PEM; a bundle may follow an authority's certificate."""

    certificate: bytes
    key: bytes


def authority(present: Pair | None, now: datetime.datetime) -> Pair:
    """The authority that is there, or a new one.

    Args:
        present: What is there.
        now: The present moment, with its time zone.

    Raises:
        BrokenCertificateError: What is there is no authority: everything it issued would be refused with a new one, so
            that is for a person to decide.
    """
    if present is None:
        return _new_authority(ec.generate_private_key(ec.SECP256R1()), now)
    certificate, key = _loaded(present, "ca")
    if now + _AUTHORITY_RENEWED < certificate.not_valid_after_utc:
        return present
    renewed = _new_authority(key, now, certificate.subject)
    return Pair(renewed.certificate, present.key)


def rotated_authority(present: Pair, now: datetime.datetime) -> Pair:
    """A new authority that issues from now on; the old one's certificate stays in the bundle, and so stays trusted."""
    certificate, _ = _loaded(present, "ca")
    new = _new_authority(ec.generate_private_key(ec.SECP256R1()), now)
    return Pair(new.certificate + certificate.public_bytes(serialization.Encoding.PEM), new.key)


def leaf(present: Pair | None, issuer: Pair, component: str, names: Sequence[str], now: datetime.datetime) -> Pair:
    """The certificate that is there if it is still good, or a new one with a key of its own.

    Args:
        present: What is there.
        issuer: The authority.
        component: The common name.
        names: Host names and addresses; the order does not matter.
        now: The present moment, with its time zone.
    """
    if present is not None and _is_good(present, issuer, names, now):
        return present
    authority_certificate, authority_key = _loaded(issuer, "ca")
    key = ec.generate_private_key(ec.SECP256R1())
    lasts = min(now + _LEAF_LASTS, authority_certificate.not_valid_after_utc)
    identifier = x509.SubjectKeyIdentifier.from_public_key(authority_key.public_key())
    certificate = (
        _builder(key, _name(component), authority_certificate.subject, now, lasts)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(digital_signature=True), critical=True)
        .add_extension(
            x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False
        )
        .add_extension(x509.SubjectAlternativeName(_general_names(names)), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier),
            critical=False,
        )
        .sign(authority_key, hashes.SHA256())
    )
    return _pair(certificate, key)


def _new_authority(key: ec.EllipticCurvePrivateKey, now: datetime.datetime, subject: x509.Name | None = None) -> Pair:
    # The serial number tells two authorities apart where their certificates meet in one bundle.
    serial = f"{x509.random_serial_number() >> 96:016x}"
    subject = subject or _name("otel-dbmon private CA", x509.NameAttribute(NameOID.SERIAL_NUMBER, serial))
    certificate = (
        _builder(key, subject, subject, now, now + _AUTHORITY_LASTS)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(key_cert_sign=True, crl_sign=True), critical=True)
        .sign(key, hashes.SHA256())
    )
    return _pair(certificate, key)


def _is_good(present: Pair, issuer: Pair, names: Sequence[str], now: datetime.datetime) -> bool:
    try:
        certificate, _ = _loaded(present, "certificate")
        authority_certificate, _ = _loaded(issuer, "ca")
        certificate.verify_directly_issued_by(authority_certificate)
        held = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (BrokenCertificateError, InvalidSignature, ValueError, TypeError, x509.ExtensionNotFound):
        return False
    return set(held) == set(_general_names(names)) and now + _LEAF_RENEWED < certificate.not_valid_after_utc


def _loaded(pair: Pair, what: str) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    try:
        certificate = x509.load_pem_x509_certificates(pair.certificate)[0]
        key = serialization.load_pem_private_key(pair.key, password=None)
    except (ValueError, TypeError, IndexError):
        raise BrokenCertificateError(
            f"{what}.pem and {what}.key hold no certificate and its key: put them back, or move both away for new ones"
        ) from None
    if not isinstance(key, ec.EllipticCurvePrivateKey) or key.public_key() != certificate.public_key():
        raise BrokenCertificateError(
            f"{what}.key is not the key of {what}.pem: put the right one back, or move both away for new ones"
        )
    return certificate, key


def _builder(
    key: ec.EllipticCurvePrivateKey,
    subject: x509.Name,
    issuer: x509.Name,
    now: datetime.datetime,
    until: datetime.datetime,
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _CLOCK_SKEW)
        .not_valid_after(until)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )


def _pair(certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> Pair:
    return Pair(
        certificate.public_bytes(serialization.Encoding.PEM),
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()),
    )


def _name(common_name: str, *more: x509.NameAttribute[str]) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, _ORGANIZATION),
            x509.NameAttribute(NameOID.COMMON_NAME, common_name),
            *more,
        ]
    )


def _general_names(names: Iterable[str]) -> list[x509.GeneralName]:
    found: list[x509.GeneralName] = []
    for name in dict.fromkeys(names):
        try:
            found.append(x509.IPAddress(ip_address(name)))
        except ValueError:
            found.append(x509.DNSName(name))
    return found


def _usage(digital_signature: bool = False, key_cert_sign: bool = False, crl_sign: bool = False) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=digital_signature,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=key_cert_sign,
        crl_sign=crl_sign,
        encipher_only=False,
        decipher_only=False,
    )
