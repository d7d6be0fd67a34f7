"""Long conversations for the page, without running an agent a thousand times."""

from __future__ import annotations

from collections.abc import Iterable

from netra_backend.app.event_log.user_log import UserTransaction


def long_talk(tx: UserTransaction, title: str, turns: Iterable[tuple[str, str]], *, first_seq: int = 1) -> str:
    """A thread of these questions and answers, its runs `run-0000` and on; `first_seq` is the first turn's number.

    Returns the thread's id.
    """
    thread = tx.threads.create(title, tx.now)
    for number, (question, answer) in enumerate(turns):
        for role, text in (("user", question), ("agent", answer)):
            tx.messages.add(
                thread_id=thread.id,
                run_id=f"run-{number:04}",
                role=role,  # pyright: ignore[reportArgumentType]
                text=text,
                state="complete",
                now=tx.now,
                seq=number + first_seq,
            )
    return thread.id


def answer(number: int) -> str:
    """An answer whose length differs from its neighbours'."""
    return f"answer {number}\n\n" + "words " * (number % 97)
