"""Who calls, and a line in the log for everything that a caller changed."""

from __future__ import annotations

from aws_lambda_powertools.utilities.data_classes import APIGatewayProxyEventV2

from ventana.telemetry import logger

ANONYMOUS = "anonymous"


def caller_of(event: APIGatewayProxyEventV2) -> str:
    """The subject or client of the token that the API's authorizer accepted, or the IAM user; else "anonymous".

    A locally running API may have no authorizer.
    """
    authorizer = event.request_context.authorizer
    claims = authorizer.jwt_claim
    return str(claims.get("sub") or claims.get("client_id") or authorizer.iam.user_arn or ANONYMOUS)


def audit(action: str, by: str, **about: object) -> None:
    """Log that somebody changed something: ids of ours and words of ours, never what a customer wrote."""
    logger.info("audit", extra={"action": action, "by": by, **about})
