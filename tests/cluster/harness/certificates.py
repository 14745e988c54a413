"""Keys and certificates, made by ``openssl``; all on the curve P-256, some 30 ms each."""

from __future__ import annotations

import re
import secrets
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

_DAYS = "2"
_NEW_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")


def openssl(*arguments: str | Path, data: bytes | None = None) -> bytes:
    """Run ``openssl`` and give what it writes; it must succeed."""
    return subprocess.run(["openssl", *map(str, arguments)], input=data, capture_output=True, check=True).stdout


@dataclass(frozen=True)
class Pair:
    """A certificate and its private key, as PEM files."""

    certificate: Path
    key: Path


@dataclass(frozen=True)
class Authority:
    """A certificate authority in a folder of its own."""

    directory: Path
    pair: Pair

    @classmethod
    def create(cls, directory: Path) -> Authority:
        """Make one; a second one, in another folder, is what a client with the wrong CA trusts."""
        directory.mkdir(parents=True)
        pair = Pair(directory / "ca.crt", directory / "ca.key")
        openssl(
            *("req", "-x509", *_NEW_KEY, "-days", _DAYS, "-subj", "/CN=test-ca"),
            *("-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=critical,keyCertSign,cRLSign"),
            *("-keyout", pair.key, "-out", pair.certificate),
        )
        return cls(directory, pair)

    def for_server(self) -> Pair:
        """A certificate for a server on loopback."""
        return self._issue("server", "/CN=kube-apiserver", "subjectAltName=IP:127.0.0.1,DNS:localhost")

    def for_client(self, user: str, groups: Sequence[str] = ()) -> Pair:
        """A certificate that the API server takes for a user of some groups.

        Source: Kubernetes documentation, Authenticating, "X509 client certificates": CN is the user, each O a group.
        """
        parts = [("O", group) for group in groups] + [("CN", user)]
        subject = "".join(f"/{name}={_escaped(value)}" for name, value in parts)
        return self._issue(f"client-{secrets.token_hex(4)}", subject, "extendedKeyUsage=clientAuth")

    def _issue(self, name: str, subject: str, extension: str) -> Pair:
        pair = Pair(self.directory / f"{name}.crt", self.directory / f"{name}.key")
        request, extensions = self.directory / f"{name}.csr", self.directory / f"{name}.ext"
        openssl("req", "-new", "-utf8", *_NEW_KEY, "-subj", subject, "-keyout", pair.key, "-out", request)
        extensions.write_text(extension + "\n")
        openssl(
            *("x509", "-req", "-in", request, "-days", _DAYS, "-set_serial", f"0x{secrets.token_hex(8)}"),
            *("-CA", self.pair.certificate, "-CAkey", self.pair.key, "-extfile", extensions, "-out", pair.certificate),
        )
        return pair


@dataclass(frozen=True)
class TokenKey:
    """The key pair that signs the tokens of service accounts. RSA: its signature is the one that a JWT holds."""

    private: Path
    public: Path

    @classmethod
    def create(cls, directory: Path) -> TokenKey:
        """Make one in a folder that exists."""
        keys = cls(directory / "sa.key", directory / "sa.pub")
        openssl("genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048", "-out", keys.private)
        openssl("pkey", "-in", keys.private, "-pubout", "-out", keys.public)
        return keys

    def sign(self, data: bytes) -> bytes:
        """The signature of RS256."""
        return openssl("dgst", "-sha256", "-sign", self.private, data=data)


def _escaped(value: str) -> str:
    """A value for openssl's ``-subj``, in which these separate."""
    return re.sub(r"([/+\\])", r"\\\1", value)
