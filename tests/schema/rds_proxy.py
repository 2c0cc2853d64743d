"""RDS Proxy as its clients meet it: TLS only, a token of IAM as password, and a session of Postgres behind it.

What it does on AWS with IAM is done here with the access key that the tests have: it signs the same request again and
compares. https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/rds-proxy-connecting.html
"""

from __future__ import annotations

import hmac
import select
import socket
import ssl
import struct
import threading
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import psycopg
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

ADDRESS = "127.0.0.1"
REPORTED = ("server_version", "server_encoding", "client_encoding", "DateStyle", "TimeZone", "integer_datetimes")
SSL_REQUEST = 80877103


class RdsProxy:
    """A proxy before the server at `dsn`, on `port`; `authorities` is the file with the authority to trust."""

    def __init__(self, dsn: str, folder: Path, secret_key: str) -> None:
        self._dsn, self._secret_key = dsn, secret_key
        self.authorities = folder / "authority.pem"
        key = folder / "key.pem"
        _certify(self.authorities, key)
        self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._tls.load_cert_chain(self.authorities, key)
        self._listening = socket.create_server((ADDRESS, 0))
        self.port = int(self._listening.getsockname()[1])
        self.said: list[bytes] = []
        """What clients sent after they were let in."""
        self.users: list[str] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._listening.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listening.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=[client], daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        try:
            self._let_in(client)
        except (OSError, ssl.SSLError, psycopg.Error):
            client.close()

    def _let_in(self, client: socket.socket) -> None:
        length, code = struct.unpack("!ii", _exactly(client, 8))
        if code != SSL_REQUEST:
            client.sendall(_message(b"E", b"SFATAL\0C28000\0MThis RDS Proxy requires TLS connections\0\0"))
            client.close()
            return
        client.sendall(b"S")
        secure = self._tls.wrap_socket(client, server_side=True)
        (length,) = struct.unpack("!i", _exactly(secure, 4))
        words = _exactly(secure, length - 4)[4:].decode().split("\0")
        asked = dict(zip(words[::2], words[1::2], strict=False))
        secure.sendall(_message(b"R", struct.pack("!i", 3)))  # a password, in clear: tokens are too long for hashes
        kind, length = struct.unpack("!ci", _exactly(secure, 5))
        token = _exactly(secure, length - 4)[:-1].decode()
        if kind != b"p" or not self._signed(token, asked["user"]):
            secure.sendall(_message(b"E", b"SFATAL\0C28P01\0MThe IAM authentication failed for the role\0\0"))
            secure.close()
            return
        self.users.append(asked["user"])
        with psycopg.connect(self._dsn, autocommit=True) as server:
            told = [
                _message(b"S", f"{name}\0{value}\0".encode())
                for name in REPORTED
                if (value := server.info.parameter_status(name))
            ]
            ready = _message(b"Z", b"I")
            secure.sendall(b"".join([_message(b"R", struct.pack("!i", 0)), *told, ready]))
            self._carry(secure, socket.socket(fileno=socket.dup(server.fileno())))

    def _signed(self, token: str, user: str) -> bool:
        from botocore.auth import SigV4QueryAuth
        from botocore.awsrequest import AWSRequest
        from botocore.credentials import Credentials

        url = urlsplit(f"https://{token}")
        asked = {name: values[0] for name, values in parse_qs(url.query).items()}
        if asked.get("DBUser") != user or asked.get("Action") != "connect" or url.port != self.port:
            return False
        key, _, region, service, _ = asked["X-Amz-Credential"].split("/")
        at = datetime.strptime(asked["X-Amz-Date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
        if abs(datetime.now(UTC) - at) > timedelta(seconds=int(asked["X-Amz-Expires"])):
            return False
        again = SigV4QueryAuth(Credentials(key, self._secret_key), service, region, int(asked["X-Amz-Expires"]))
        request = AWSRequest("GET", f"https://{url.netloc}/?Action=connect&DBUser={user}")
        request.context["timestamp"] = asked["X-Amz-Date"]
        query = url.query.rpartition("&X-Amz-Signature=")[0]
        canonical = "\n".join(["GET", "/", "&".join(sorted(query.split("&"))), f"host:{url.netloc}", "", "host"])
        canonical += f"\n{_sha256(b'')}"
        wanted = again.signature(again.string_to_sign(request, canonical), request)
        return service == "rds-db" and hmac.compare_digest(wanted, asked["X-Amz-Signature"])

    def _carry(self, client: ssl.SSLSocket, server: socket.socket) -> None:
        with client, server:
            while True:
                waiting = [client] if client.pending() else select.select([client, server], [], [])[0]
                for one in waiting:
                    data = one.recv(65536)
                    if not data:
                        return
                    if one is client:
                        self.said.append(data)
                    (server if one is client else client).sendall(data)


def _sha256(data: bytes) -> str:
    digest = hashes.Hash(hashes.SHA256())
    digest.update(data)
    return digest.finalize().hex()


def _message(kind: bytes, content: bytes) -> bytes:
    return kind + struct.pack("!i", len(content) + 4) + content


def _exactly(connection: socket.socket, length: int) -> bytes:
    found = b""
    while len(found) < length:
        more = connection.recv(length - len(found))
        if not more:
            raise ConnectionResetError
        found += more
    return found


def _certify(certificate: Path, key: Path) -> None:
    made = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "proxy")])
    now = datetime.now(UTC)
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(made.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(IPv4Address(ADDRESS))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(made, hashes.SHA256())
    )
    certificate.write_bytes(signed.public_bytes(serialization.Encoding.PEM))
    key.write_bytes(
        made.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
