"""What a message holds beside its text, the same for every provider and for both who may have written it.

A customer's message keeps its provider's structure in our names; ours keeps the content as its caller gave it. People
who look at either want one shape.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

KEPT = ("reply", "order", "referral", "product", "forwarded", "frequently_forwarded", "identity", "buttons", "forwards")
"""Of a customer's message, as they are; ids that only the provider's calls need are left out."""
FILE = ("mime_type", "filename", "voice", "animated", "duration", "size", "type")
FILES = frozenset({"image", "video", "audio", "document", "sticker"})
Object = dict[str, Any]


def details_of(metadata: Mapping[str, Any]) -> Object:
    """The structured content: location, contacts, buttons, list, cta_url, template, media, reply, order, referral …"""
    content = metadata.get("sent_as") or metadata.get("content")
    if isinstance(content, dict) and content.get("type"):
        return _of_ours(content)
    found: Object = {name: metadata[name] for name in KEPT if metadata.get(name)}
    if isinstance(metadata.get("location"), dict):
        found["location"] = _location(metadata["location"])
    if contacts := _contacts(metadata):
        found["contacts"] = contacts
    if media := _media(metadata.get("media")):
        found["media"] = media
    if isinstance(metadata.get("template"), dict):
        found["template"] = metadata["template"]
    if metadata.get("type"):
        found["unsupported"] = {"type": metadata["type"], "errors": metadata.get("errors") or []}
    return found


def template_of(metadata: Mapping[str, Any]) -> tuple[str | None, str | None] | None:
    """Name and language of the template that a message is; None where it is none."""
    content = metadata.get("sent_as") or metadata.get("content") or {}
    if isinstance(content, dict) and content.get("type") == "template":
        return content.get("name") or content.get("content_sid"), content.get("language")
    echoed = metadata.get("template")
    if isinstance(echoed, dict):
        name = echoed.get("name") or echoed.get("external_id")
        return (str(name) if name else None), echoed.get("language")
    return None


def _of_ours(content: Mapping[str, Any]) -> Object:
    kind, rest = str(content["type"]), {name: value for name, value in content.items() if name != "type"}
    if kind in ("text", "reaction"):
        return {}
    if kind in FILES:
        return {"media": [{"kind": kind, **rest}]}
    return {kind: rest["contacts"] if kind == "contacts" else rest}


def _location(given: Mapping[str, Any]) -> Object:
    place = {"latitude": given.get("latitude", given.get("lat")), "longitude": given.get("longitude", given.get("lon"))}
    return {**place, **{name: given[name] for name in ("name", "address", "url") if given.get(name)}}


def _contacts(metadata: Mapping[str, Any]) -> list[Object]:
    given = _listed(metadata.get("contacts")) or _listed(metadata.get("contact"))
    return [found for each in given if isinstance(each, dict) and (found := _contact(each))]


def _contact(given: Mapping[str, Any]) -> Object:
    name = given.get("name")
    if isinstance(name, dict):
        name = name.get("formatted_name") or name.get("first_name")
    phones = _listed(given.get("phones")) or _listed(given.get("phone"))
    emails = _listed(given.get("emails")) or _listed(given.get("email"))
    org = given.get("org")
    found = {
        "name": str(name or ""),
        "phones": [_named(phone, "phone") for phone in phones],
        "emails": [_named(email, "email")["email"] for email in emails],
        "organization": given.get("organization") or (org.get("company") if isinstance(org, dict) else None),
    }
    return {key: value for key, value in found.items() if value}


def _listed(given: object) -> list[Any]:
    return given if isinstance(given, list) else [given] if given else []


def _named(given: object, key: str) -> Object:
    if isinstance(given, dict):
        return {key: str(given.get(key) or ""), **({"type": str(given["type"])} if given.get("type") else {})}
    return {key: str(given)}


def _media(given: object) -> list[Object]:
    files = [file for file in _listed(given) if isinstance(file, dict)]
    picked = [{name: file[name] for name in FILE if file.get(name)} for file in files]
    return [file for file in picked if file]
