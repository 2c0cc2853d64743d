"""What the HTTP API serves, to whom, and what of it may be logged."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from tests.infra.stack import Stack, referred

ROUTES = {
    # route: (function, who may call it)
    "POST /webhooks/kommo/{token}": ("KommoWebhook", "NONE"),
    "POST /webhooks/kommo/chats/{scope_id}": ("KommoWebhook", "NONE"),
    "GET /webhooks/meta": ("MetaWebhook", "NONE"),
    "POST /webhooks/meta": ("MetaWebhook", "NONE"),
    "GET /webhooks/twilio": ("TwilioWebhook", "NONE"),
    "POST /webhooks/twilio": ("TwilioWebhook", "NONE"),
    "POST /webhooks/twilio/status": ("TwilioWebhook", "NONE"),
    "GET /v1/health": ("Api", "NONE"),
    "GET /console": ("Api", "NONE"),
    "GET /console/": ("Api", "NONE"),
    "GET /console/{path+}": ("Api", "NONE"),
    **dict.fromkeys(
        (
            "POST /v1/messages",
            "GET /v1/messages",
            "GET /v1/messages/{id}",
            "POST /v1/messages/{id}/cancel",
            "POST /v1/messages/{id}/retry",
            "POST /v1/messages/{id}/settle",
            "POST /v1/messages/{id}/read",
            "GET /v1/messages/{id}/media/{place}",
            "GET /v1/conversations",
            "GET /v1/conversations/{id}",
            "GET /v1/conversations/{id}/messages",
            "PUT /v1/conversations/{id}/seen",
            "GET /v1/changes",
            "GET /v1/conversations/{id}/window",
            "GET /v1/conversations/{id}/history",
            "POST /v1/conversations/{id}/escalate",
            "POST /v1/conversations/{id}/assign",
            "POST /v1/conversations/{id}/resolve",
            "POST /v1/conversations/{id}/close",
            "POST /v1/conversations/{id}/reopen",
            "POST /v1/conversations/{id}/tags",
            "POST /v1/conversations/{id}/notes",
            "PUT /v1/conversations/{id}/opt-out",
            "DELETE /v1/conversations/{id}/opt-out",
            "GET /v1/addresses",
            "PUT /v1/addresses/{provider}/{address}",
            "POST /v1/addresses/{provider}/{address}/resume",
            "GET /v1/stats",
            "GET /v1/parked",
            "GET /v1/parked/{id}",
            "POST /v1/parked/{id}/replay",
            "GET /v1/templates",
            "GET /v1/overview",
            "GET /v1/dead-letters",
            "POST /v1/dead-letters/{queue}/redrive",
            "GET /v1/me",
            "GET /v1/openapi.json",
        ),
        ("Api", "Operators"),
    ),
}

OURS = {"__ApiId__": {"Ref": "HttpApi"}, "__Stage__": "*"}


@pytest.fixture
def operations(stack: Stack) -> dict[str, dict[str, Any]]:
    paths = stack.properties("HttpApi")["Body"]["paths"]
    return {
        f"{method.upper()} {path}": operation
        for path, operations in paths.items()
        for method, operation in operations.items()
    }


def test_each_route_reaches_its_function_and_asks_for_its_authorizer(operations: dict[str, dict[str, Any]]) -> None:
    found = {
        route: (
            referred(operation["x-amazon-apigateway-integration"]["uri"]),
            *(name for requirement in operation["security"] for name in requirement),
        )
        for route, operation in operations.items()
    }
    assert found == ROUTES


def test_each_route_speaks_payload_2_0(operations: dict[str, dict[str, Any]]) -> None:
    versions = {
        operation["x-amazon-apigateway-integration"]["payloadFormatVersion"] for operation in operations.values()
    }
    assert versions == {"2.0"}


def test_the_gateway_may_call_each_function_on_its_own_routes_only(stack: Stack) -> None:
    allowed = set()
    for permission in stack.of_type("AWS::Lambda::Permission").values():
        if permission["Principal"] == "events.amazonaws.com":
            continue  # see test_queues.py
        assert permission["Principal"] == "apigateway.amazonaws.com"
        source = permission["SourceArn"]["Fn::Sub"]
        if isinstance(source, str):  # ours, where SAM's is not as the route is
            source = [source.replace("${HttpApi}/*/", "${__ApiId__}/${__Stage__}/"), OURS]
        route, values = source
        assert values == OURS
        method, path = route.split("${__Stage__}/")[1].split("/", 1)
        allowed.add((f"{method} /{path}", referred(permission["FunctionName"])))
    wanted = {(re.sub(r"\{\w+}", "*", route), function) for route, (function, _) in ROUTES.items()}
    assert allowed == wanted


def test_operators_present_a_token_of_the_given_issuer(stack: Stack) -> None:
    schemes = stack.properties("HttpApi")["Body"]["components"]["securitySchemes"]
    authorizer = schemes["Operators"]["x-amazon-apigateway-authorizer"]
    assert set(schemes) == {"Operators"}
    assert authorizer["type"] == "jwt"
    assert authorizer["identitySource"] == "$request.header.Authorization"
    assert authorizer["jwtConfiguration"] == {"issuer": {"Ref": "JwtIssuer"}, "audience": {"Ref": "JwtAudience"}}


def test_a_route_without_words_about_it_is_closed(stack: Stack) -> None:
    assert stack.source["Resources"]["HttpApi"]["Properties"]["Auth"]["DefaultAuthorizer"] == "Operators"


def test_access_logs_hold_no_path_address_or_query(stack: Stack) -> None:
    stage = stack.only("AWS::ApiGatewayV2::Stage")
    logged = json.loads(stage["AccessLogSettings"]["Format"])
    assert set(logged.values()) == {
        "$context.requestId",
        "$context.requestTimeEpoch",
        "$context.routeKey",
        "$context.status",
        "$context.responseLatency",
        "$context.integrationLatency",
        "$context.integration.status",
        "$context.integrationErrorMessage",
        "$context.authorizer.error",
        "$context.error.responseType",
    }
    assert referred(stage["AccessLogSettings"]["DestinationArn"]) == "HttpApiLogs"


def test_routes_are_throttled_and_webhooks_by_themselves(stack: Stack) -> None:
    stage = stack.only("AWS::ApiGatewayV2::Stage")
    limits = stage["DefaultRouteSettings"]
    assert limits["ThrottlingRateLimit"] == {"Ref": "ApiRequestsPerSecond"}
    assert limits["ThrottlingBurstLimit"] == {"Ref": "ApiRequestBurst"}
    assert set(stage["RouteSettings"]) == {route for route in ROUTES if "/webhooks/" in route}
    for limits in stage["RouteSettings"].values():
        assert limits["ThrottlingRateLimit"] == {"Ref": "RequestsPerSecond"}
        assert limits["ThrottlingBurstLimit"] == {"Ref": "RequestBurst"}


def test_other_origins_are_let_in_only_by_name(stack: Stack) -> None:
    cors = stack.properties("HttpApi")["Body"]["x-amazon-apigateway-cors"]
    assert cors["Fn::If"][0] == "LetsPagesIn"
    assert cors["Fn::If"][2] == {"Ref": "AWS::NoValue"}
    origins = stack.source["Resources"]["HttpApi"]["Properties"]["CorsConfiguration"]["Fn::If"][1]["AllowOrigins"]
    assert origins == {"Fn::Split": [",", {"Ref": "CorsOrigins"}]}
    assert "allowCredentials" not in cors["Fn::If"][1]


def test_the_stage_tells_how_one_signs_in_to_the_console_and_holds_no_blank_and_nothing_empty(stack: Stack) -> None:
    told = stack.source["Resources"]["HttpApi"]["Properties"]["StageVariables"]["Fn::If"]
    assert (told[0], told[2]) == ("LetsPeopleIn", {"Ref": "AWS::NoValue"})
    assert told[1] == {
        "JwtIssuer": {"Ref": "JwtIssuer"},
        "ConsoleClientId": {"Ref": "ConsoleClientId"},
        "ConsoleScope": {"Fn::Join": [",", {"Fn::Split": [" ", {"Ref": "ConsoleScope"}]}]},
        "ConsoleAudience": {"Fn::If": ["NamesAudience", {"Ref": "ConsoleAudience"}, {"Ref": "AWS::NoValue"}]},
        "ConsoleTokenOrigin": {"Fn::If": ["NamesTokenOrigin", {"Ref": "ConsoleTokenOrigin"}, {"Ref": "AWS::NoValue"}]},
    }
    assert stack.only("AWS::ApiGatewayV2::Stage")["StageVariables"]["Fn::If"][0] == "LetsPeopleIn"


def test_a_domain_of_ones_own_is_the_only_address(stack: Stack) -> None:
    assert stack.source["Resources"]["HttpApi"]["Properties"]["DisableExecuteApiEndpoint"]["Fn::If"][0] == "HasDomain"
    domain = stack.properties("Domain")
    assert domain["DomainNameConfigurations"][0]["SecurityPolicy"] == "TLS_1_2"
    assert referred(stack.properties("DomainMapping")["ApiId"]) == "HttpApi"
    assert stack.resources["DomainMapping"]["DependsOn"] in stack.of_type("AWS::ApiGatewayV2::Stage")
