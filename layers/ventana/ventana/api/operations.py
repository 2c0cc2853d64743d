"""Operations of the API: a function, its path, and what the document says of both.

The function's docstring is what the document says of it: its first paragraph in short, the others at length.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from http import HTTPStatus
from typing import Any, TypeVar

from ventana.api.bodies import Api

Function = TypeVar("Function", bound=Callable[..., Any])
ANYWHERE = (500, 503)
WITH_PARAMETERS = (422,)
WITH_BODY = (400, 413, 415)


class Operations:
    """Where operations of one kind are added to the API."""

    def __init__(self, app: Api, kind: str) -> None:
        self._app, self._kind = app, kind

    def get(self, path: str, answer: type, *problems: int, status: int = 200) -> Callable[[Function], Function]:
        """Add what only looks."""
        return self._add("GET", path, answer, status, problems)

    def post(self, path: str, answer: type, *problems: int, status: int = 200) -> Callable[[Function], Function]:
        """Add what does something."""
        return self._add("POST", path, answer, status, (*problems, *WITH_BODY))

    def put(self, path: str, answer: type, *problems: int) -> Callable[[Function], Function]:
        """Add what sets something."""
        return self._add("PUT", path, answer, 200, (*problems, *WITH_BODY))

    def delete(self, path: str, answer: type, *problems: int) -> Callable[[Function], Function]:
        """Add what takes something back."""
        return self._add("DELETE", path, answer, 200, (*problems, *WITH_BODY))

    def _add(
        self, method: str, path: str, answer: type, status: int, problems: tuple[int, ...]
    ) -> Callable[[Function], Function]:
        def add(function: Function) -> Function:
            with_parameters = WITH_PARAMETERS if inspect.signature(function).parameters else ()
            responses: dict[int, Any] = {
                code: {"description": HTTPStatus(code).phrase}  # document.py says more
                for code in sorted({*problems, *ANYWHERE, *with_parameters})
            }
            responses[status] = {
                "description": (inspect.getdoc(answer) or "").partition("\n\n")[0].replace("\n", " "),
                "content": {"application/json": {"model": answer}},
            }
            short, _, long = (inspect.getdoc(function) or "").partition("\n\n")
            self._app.route(
                path,
                method,
                summary=short.replace("\n", " ").rstrip("."),
                description=long.replace("\n", " ") or None,
                responses=responses if self._app.documented else None,
                tags=[self._kind],
                operation_id=function.__name__,
            )(function)
            return function

        return add
