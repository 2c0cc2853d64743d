"""Finds the route of a request as API Gateway does: the most specific one, never by order."""

from __future__ import annotations

import re
from collections.abc import Iterable
from urllib.parse import unquote

from infra.local.template import Route

VARIABLE = re.compile(r"\{([^}+]+)(\+?)\}")


class Routes:
    """The routes of one API."""

    def __init__(self, routes: Iterable[Route]) -> None:
        ordered = sorted(routes, key=_specificity)
        self._routes = [(re.compile(_pattern(route.path)), route) for route in ordered]

    def find(self, method: str, path: str) -> tuple[Route, dict[str, str]] | None:
        """The route and its path parameters, decoded; None where there is none."""
        for pattern, route in self._routes:
            match = pattern.fullmatch(path)
            if match and route.method in (method, "ANY"):
                return route, {name: unquote(value) for name, value in match.groupdict().items()}
        return None


def _specificity(route: Route) -> tuple[int, int, int, int]:
    # Literal paths first, then single variables, then greedy ones, $default last; a method before ANY.
    variables = VARIABLE.findall(route.path)
    greedy = sum(1 for _, plus in variables if plus)
    return (int(route.path == "$default"), greedy, len(variables), int(route.method == "ANY"))


def _pattern(path: str) -> str:
    if path == "$default":
        return ".*"
    parts = VARIABLE.split(path)  # literal, name, plus, literal, name, plus, …, literal
    pattern = re.escape(parts[0])
    for name, plus, literal in zip(parts[1::3], parts[2::3], parts[3::3], strict=True):
        pattern += f"(?P<{name}>{'.+' if plus else '[^/]+'}){re.escape(literal)}"
    return pattern
