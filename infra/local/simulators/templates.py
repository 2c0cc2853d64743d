"""Templates of the simulated accounts, as Meta and Twilio tell them: three that are approved, and one that is not.

A template that is known here takes as many values as it has places for; of others nothing is known, and all are taken.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

GREETING = "Hola, le escribimos de Muebles Ventana. ¿Seguimos con su consulta?"
ORDER = "Hola {{1}}: su pedido {{2}} ya está listo para retirar."
VISIT = "Hola {{1}}, ¿le viene bien que pasemos el viernes?"
OFFER = "¡¡¡GANE UN SOFÁ GRATIS!!! Responda ya."

META_TEMPLATES: list[dict[str, Any]] = [
    {
        "id": "594425479261596",
        "name": "retomar_consulta",
        "language": "es",
        "status": "APPROVED",
        "category": "UTILITY",
        "parameter_format": "POSITIONAL",
        "components": [{"type": "BODY", "text": GREETING}],
    },
    {
        "id": "594425479261597",
        "name": "pedido_listo",
        "language": "es",
        "status": "APPROVED",
        "category": "UTILITY",
        "parameter_format": "POSITIONAL",
        "components": [
            {"type": "HEADER", "format": "TEXT", "text": "Su pedido"},
            {"type": "BODY", "text": ORDER, "example": {"body_text": [["Ana", "4711"]]}},
            {"type": "FOOTER", "text": "Muebles Ventana"},
        ],
    },
    {
        "id": "594425479261598",
        "name": "confirmar_visita",
        "language": "es",
        "status": "APPROVED",
        "category": "UTILITY",
        "parameter_format": "POSITIONAL",
        "components": [
            {"type": "BODY", "text": VISIT, "example": {"body_text": [["Ana"]]}},
            {
                "type": "BUTTONS",
                "buttons": [{"type": "QUICK_REPLY", "text": "Sí"}, {"type": "QUICK_REPLY", "text": "Otro día"}],
            },
        ],
    },
    {
        "id": "594425479261599",
        "name": "sofa_gratis",
        "language": "es",
        "status": "REJECTED",
        "category": "MARKETING",
        "parameter_format": "POSITIONAL",
        "components": [{"type": "BODY", "text": OFFER}],
    },
]


def _content(number: int, name: str, kind: str, content: dict[str, Any], status: str, **more: Any) -> dict[str, Any]:
    sid = f"HX{number:032x}"
    category = "MARKETING" if status == "rejected" else "UTILITY"
    return {
        "sid": sid,
        "friendly_name": name,
        "language": "es",
        "variables": more.get("variables", {}),
        "types": {kind: content},
        "approval_requests": {
            "name": name,
            "category": category,
            "content_type": kind,
            "status": status,
            "rejection_reason": "INVALID_FORMAT" if status == "rejected" else "",
            "allow_category_change": True,
        },
        "date_created": "2026-09-01T12:00:00Z",
        "date_updated": "2026-09-01T12:00:00Z",
        "url": f"https://content.twilio.com/v1/Content/{sid}",
    }


TWILIO_CONTENTS: list[dict[str, Any]] = [
    _content(0xA1, "retomar_consulta", "twilio/text", {"body": GREETING}, "approved"),
    _content(0xA2, "pedido_listo", "twilio/text", {"body": ORDER}, "approved", variables={"1": "Ana", "2": "4711"}),
    _content(
        0xA3,
        "confirmar_visita",
        "twilio/quick-reply",
        {"body": VISIT, "actions": [{"title": "Sí", "id": "si"}, {"title": "Otro día", "id": "otro"}]},
        "approved",
        variables={"1": "Ana"},
    ),
    _content(0xA4, "sofa_gratis", "twilio/text", {"body": OFFER}, "rejected"),
]


def lacks_values(known: Sequence[Mapping[str, Any]], template: Mapping[str, Any]) -> bool:
    """Whether Meta knows this template, and it has other places in its body than it is sent values for."""
    language = template["language"]["code"]
    for entry in known:
        if (entry["name"], entry["language"]) == (template["name"], language):
            body = next(part["text"] for part in entry["components"] if part["type"] == "BODY")
            sent = [part for part in template.get("components", []) if part["type"].lower() == "body"]
            given = sum(len(part.get("parameters", [])) for part in sent)
            return bool(given != body.count("{{"))
    return False


def lacks_variables(known: Sequence[Mapping[str, Any]], content_sid: str, variables: Mapping[str, str]) -> bool:
    """Whether Twilio knows this template, and it is sent other variables than it has."""
    own = [set(entry["variables"]) for entry in known if entry["sid"] == content_sid]
    return bool(own) and own[0] != set(variables)
