"""Check sources that are given as text, without files or a cache."""

from awaitguard.check import check_file
from awaitguard.finding import Finding
from awaitguard.infer.modules import Modules
from awaitguard.infer.resolver import Resolver
from awaitguard.infer.table import Table
from awaitguard.infer.words import collect_words
from awaitguard.read.source import summarise
from awaitguard.rules.facts import ProjectFacts, file_facts
from awaitguard.rules.registry import GROUPS


def check_sources(files: dict[str, str], families: tuple[tuple[str, ...], ...] = ()) -> list[Finding]:
    """All findings, of every level, of a tree given as text by path.

    Raises:
        ValueError: one of the sources can't be parsed.
    """
    found: list[Finding] = []
    facts = ProjectFacts({}, [], families)
    resolver = resolver_of(files)
    for path in sorted(files):
        resolver.forget()
        summary = resolver.table.summary(path)
        if summary is None:
            raise ValueError(f"{path} can't be parsed")
        found += check_file(path, summary, resolver)[0]
        of_file = file_facts(path, summary, resolver)
        for function in of_file.functions:
            facts.functions.setdefault(function.name, []).append(function)
        facts.renamings.extend(of_file.renamings)
    for group in GROUPS:
        found.extend(group.project(facts))
    return found


def resolver_of(files: dict[str, str]) -> Resolver:
    """What resolves names in a tree given as text by path."""
    made = {path: summarise(text.encode()) for path, text in files.items()}
    stored = {path: data for path, (data, _) in made.items()}
    words = collect_words((path, words) for path, (_, words) in made.items())
    return Resolver(Table(Modules("/nonexistent", stored), stored.get, words))
