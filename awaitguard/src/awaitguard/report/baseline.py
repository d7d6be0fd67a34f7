"""A baseline: findings that an old tree is known to have, so that only new ones are shown."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any, cast

from awaitguard.finding import Finding

VERSION = 1


class BaselineError(Exception):
    """The baseline file can't be used; the message says why."""


def fingerprint(finding: Finding) -> str:
    """What names a finding even when lines above it move: its file, code and message."""
    text = f"{finding.path}\0{finding.code}\0{finding.message}"
    return hashlib.blake2b(text.encode(), digest_size=12).hexdigest()


def write_baseline(path: Path, findings: Iterable[Finding]) -> int:
    """Write the findings as a baseline and give their number."""
    counts = Counter((finding.path, finding.code, fingerprint(finding)) for finding in findings)
    entries = [
        {"path": file, "code": code, "fingerprint": mark, "count": count}
        for (file, code, mark), count in sorted(counts.items())
    ]
    path.write_text(json.dumps({"version": VERSION, "findings": entries}, indent=1) + "\n", encoding="utf-8")
    return sum(counts.values())


def apply_baseline(path: Path, findings: Iterable[Finding]) -> list[Finding]:
    """The findings that the baseline doesn't know.

    Raises:
        BaselineError: the file can't be read or isn't a baseline.
    """
    try:
        loaded = cast("dict[str, Any]", json.loads(path.read_text(encoding="utf-8")))
        if loaded["version"] != VERSION:
            raise BaselineError(
                f"{path} is a baseline of version {loaded['version']}; write it anew with `awaitguard baseline`"
            )
        known = Counter({str(one["fingerprint"]): int(one["count"]) for one in loaded["findings"]})
    except OSError as error:
        raise BaselineError(f"{path} can't be read: {error.strerror}") from None
    except (ValueError, KeyError, TypeError):
        raise BaselineError(f"{path} isn't a baseline; write one with `awaitguard baseline`") from None
    fresh: list[Finding] = []
    for finding in findings:
        mark = fingerprint(finding)
        if known[mark] > 0:
            known[mark] -= 1
        else:
            fresh.append(finding)
    return fresh
