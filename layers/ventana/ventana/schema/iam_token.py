"""A password that IAM signs, for RDS and its proxy: good for connecting within a quarter of an hour, stored nowhere.

https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/UsingWithRDS.IAMDBAuth.html
"""

from __future__ import annotations

from urllib.parse import urlencode

from ventana.errors import NotConfigured

LASTS_SECONDS = 900


def iam_token(host: str, port: int, user: str) -> str:
    """The token with which the function's own role connects as `user`; made here, without a call.

    Raises NotConfigured when there are no credentials or no region.
    """
    from botocore.auth import SigV4QueryAuth  # slow to import, and loaded already by whoever has read a secret
    from botocore.awsrequest import AWSRequest
    from botocore.session import get_session

    session = get_session()
    credentials, region = session.get_credentials(), session.get_config_variable("region")
    if credentials is None or not region:
        raise NotConfigured("there are no credentials, or no region, to sign in to the database with")
    query = urlencode({"Action": "connect", "DBUser": user})
    request = AWSRequest("GET", f"https://{host}:{port}/?{query}")
    SigV4QueryAuth(credentials.get_frozen_credentials(), "rds-db", region, LASTS_SECONDS).add_auth(request)
    return str(request.url).removeprefix("https://")


def authorities() -> str:
    """A file with the certificate authorities that the proxy's certificate comes from: those that AWS's SDK trusts."""
    from botocore.httpsession import get_cert_path

    return str(get_cert_path(True))
