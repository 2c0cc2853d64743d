"""A fourth provider is one folder and one line in the registry: no other code may know a provider by name.

Code, that is: names and strings. Comments and docstrings may give examples.
"""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

from ventana.providers import PROVIDERS

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "layers/ventana/ventana"
ALSO_KNOWN_AS = {
    "kommo": ["amojo", "amocrm"],
    "meta": ["x-hub", r"hub\.", "wamid", r"graph\.facebook"],
    "twilio": ["twiml"],
}
"""Words that give a provider away without its name."""
NAMES_OF_THE_SEED = re.compile(r"\bkommo_[a-z_]+")
"""Tables and columns, which schema/ must use."""


def words_of(provider: str) -> re.Pattern[str]:
    """The provider's name as a word or a part of a name (META_SECRET_ID, not metadata), and what it is known by."""
    return re.compile("|".join([rf"(?<![a-z_]){provider}(?![a-z])", *ALSO_KNOWN_AS.get(provider, [])]), re.IGNORECASE)


def code_of(path: Path) -> Iterator[tuple[int, str]]:
    """The lines of a file and what they hold, without comments and docstrings."""
    text = path.read_text()
    if path.suffix != ".py":
        yield from ((number, line.split("#")[0]) for number, line in enumerate(text.splitlines(), 1))
        return
    prose = {
        line
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
        for line in range(node.lineno, (node.end_lineno or node.lineno) + 1)
    }
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type != tokenize.COMMENT and token.start[0] not in prose:
            yield token.start[0], token.string


def of_everybody() -> list[Path]:
    """Code that serves all providers."""
    own = [PACKAGE / "providers" / name for name in PROVIDERS]
    own += [ROOT / "functions" / f"{name}_webhook" for name in PROVIDERS]
    own += [PACKAGE / "providers/__init__.py", ROOT / "functions/migrator/migrations", ROOT / "infra/local"]
    own += [ROOT / "infra/monitoring.yaml"]  # as template.yaml: a webhook, a limit and a line for each
    found = [
        path
        for folder in ("functions", "layers/ventana", "infra")
        for pattern in ("*.py", "*.mk", "Makefile", "*.yaml")
        for path in (ROOT / folder).rglob(pattern)
    ]
    return sorted(path for path in found if not any(path == mine or mine in path.parents for mine in own))


def mentions(path: Path, words: re.Pattern[str]) -> list[str]:
    in_schema = PACKAGE / "schema" in path.parents
    lines = ((number, NAMES_OF_THE_SEED.sub("", text) if in_schema else text) for number, text in code_of(path))
    return [f"{path.relative_to(ROOT)}:{number}: {text}" for number, text in lines if words.search(text)]


@pytest.mark.parametrize("provider", PROVIDERS)
def test_code_for_all_providers_names_none(provider: str) -> None:
    words = words_of(provider)
    assert [mention for path in of_everybody() for mention in mentions(path, words)] == []


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_provider_does_not_know_the_others(provider: str) -> None:
    folders = [PACKAGE / "providers" / provider, ROOT / "functions" / f"{provider}_webhook"]
    files = [path for folder in folders for path in folder.rglob("*.py")]
    others = [words_of(other) for other in PROVIDERS if other != provider]
    assert [mention for path in files for words in others for mention in mentions(path, words)] == []


def test_the_guard_sees_what_it_guards() -> None:
    names = {str(path.relative_to(ROOT)) for path in of_everybody()}
    assert {"functions/sender/app.py", "layers/ventana/ventana/webhook.py", "infra/template.mk"} <= names
    assert mentions(PACKAGE / "providers/__init__.py", words_of("meta"))


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("META_SECRET_ID", True),
        ("providers.meta.parse", True),
        ('"meta"', True),
        ("X-Hub-Signature-256", True),
        ("metadata", False),
        ("ventana_meta.schema_migrations", False),
    ],
)
def test_a_word_is_found_in_names_and_not_in_other_words(text: str, found: bool) -> None:
    assert bool(words_of("meta").search(text)) is found
