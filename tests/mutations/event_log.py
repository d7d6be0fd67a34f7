"""Mutations of the log: numbering, merging, erasing, the writer and its transaction."""

from __future__ import annotations

from tests.mutations.mutation import Nearest

_TILING = "tests/contract/test_tiling.py"
_UNITS = "tests/contract/test_units.py"
_NUMBERING = "tests/contract/test_numbering.py"
_TOGETHER = "tests/contract/test_run_appends.py"
_ROWS = "tests/contract/test_rows.py"
_DURABILITY = "tests/contract/test_durability.py"

_USER_LOG = Nearest("event_log/user_log.py", _UNITS, _TILING, _ROWS)
_APPENDS = Nearest("event_log/run_appends.py", _TOGETHER, _NUMBERING)
_WRITER = Nearest("event_log/writer.py", _UNITS, _TOGETHER, _NUMBERING)
_SQLITE = Nearest("event_log/sqlite.py", _DURABILITY, _UNITS)
_CANARY = Nearest("event_log/canary.py", "tests/unit/event_log", "tests/integration/test_server_process.py")

MUTATIONS = (
    # Numbering and reading
    _USER_LOG.edit("log-first-number-is-zero", "self._next = head.seq + 1\n", "self._next = head.seq\n"),
    _USER_LOG.edit(
        "log-head-one-short",
        '{"of_user": self.user_id, "to": self._next - 1}',
        '{"of_user": self.user_id, "to": self._next - 2}',
    ),
    _USER_LOG.edit(
        "log-head-not-moved",
        'self._connection.execute(_MOVE_HEAD, {"of_user": self.user_id, "to": self._next - 1})',
        "pass",
    ),
    _USER_LOG.edit(
        "log-move-every-head",
        '_MOVE_HEAD = update(heads).where(heads.c.user_id == bindparam("of_user"))',
        '_MOVE_HEAD = update(heads).where(bindparam("of_user") == bindparam("of_user"))',
    ),
    _USER_LOG.edit(
        "log-reads-the-cursor-again", 'events.c.seq > bindparam("after")', 'events.c.seq >= bindparam("after")'
    ),
    _USER_LOG.edit(
        "log-reads-all-users",
        '.where(events.c.user_id == bindparam("of_user"), events.c.seq > bindparam("after"))',
        '.where(events.c.seq > bindparam("after"), bindparam("of_user") != "")',
    ),
    _USER_LOG.edit(
        "log-reads-unordered",
        '.where(events.c.user_id == bindparam("of_user"), events.c.seq > bindparam("after"))\n    .order_by(events.c.seq)',
        '.where(events.c.user_id == bindparam("of_user"), events.c.seq > bindparam("after"))\n    .order_by(events.c.seq.desc())',
    ),
    _USER_LOG.edit("log-page-without-limit-of-size", "            if size > PAGE_BYTES:\n                break\n", ""),
    _USER_LOG.edit(
        "log-page-limit-forgotten",
        '    .order_by(events.c.seq)\n    .limit(bindparam("most"))\n)\n_INSERT',
        '    .order_by(events.c.seq)\n    .limit(bindparam("most") + 1_000_000)\n)\n_INSERT',
    ),
    _USER_LOG.edit(
        "log-epoch-not-compared", "        if epoch != head.epoch:\n", "        if epoch != head.epoch and not epoch:\n"
    ),
    _USER_LOG.edit("log-ahead-not-noticed", "        if after > head.seq:\n", "        if after > head.seq + 1_000:\n"),
    _USER_LOG.edit(
        "log-floor-off-by-one-early", "        if after < head.floor:\n", "        if after <= head.floor:\n"
    ),
    _USER_LOG.edit(
        "log-floor-off-by-one-late", "        if after < head.floor:\n", "        if after < head.floor - 1:\n"
    ),
    _USER_LOG.edit(
        "log-gap-reason-wrong", 'Gap(reason="retention", from_seq=after + 1', 'Gap(reason="ahead", from_seq=after + 1'
    ),
    _USER_LOG.edit(
        "log-gap-starts-at-cursor",
        'Gap(reason="retention", from_seq=after + 1',
        'Gap(reason="retention", from_seq=after',
    ),
    _USER_LOG.edit(
        "log-whole-record-after-cursor",
        "            records[0] = records[0].after(after)\n        return merge(records), head",
        "            pass\n        return merge(records), head",
    ),
    # Merged records
    _USER_LOG.edit(
        "merge-rest-starts-early",
        "rest = self.text[sum(self.parts[:taken]) :]",
        "rest = self.text[sum(self.parts[: taken - 1]) :]",
    ),
    _USER_LOG.edit(
        "merge-rest-by-bytes",
        "parts.extend(record.parts if record.parts is not None else (len(text),))",
        "parts.extend(record.parts if record.parts is not None else (len(text.encode()),))",
    ),
    _USER_LOG.edit(
        "merge-parts-not-taken-off",
        "            self.parts[taken:],\n",
        "            self.parts,\n",
        equivalent="what is read is told without its parts; only what is stored needs them",
    ),
    _USER_LOG.edit(
        "merge-parts-of-parts-lost",
        "parts.extend(record.parts if record.parts is not None else (len(text),))",
        "parts.extend((len(text),))",
    ),
    _USER_LOG.edit("merge-different-runs", "            and record.run_id == group[-1].run_id\n", ""),
    _USER_LOG.edit("merge-different-types", "            and record.type == group[-1].type\n", ""),
    _USER_LOG.edit("merge-over-a-hole", "            and record.first_seq == group[-1].seq + 1\n", ""),
    _USER_LOG.edit("merge-without-limit", "            and chars + size <= MERGED_CHARS\n", ""),
    _USER_LOG.edit(
        "merge-size-not-counted",
        "            group.append(record)\n            chars += size\n",
        "            group.append(record)\n",
    ),
    _USER_LOG.edit(
        "merge-first-number-of-the-last",
        "            first.first_seq,\n            last.seq,\n            last.type,",
        "            last.first_seq,\n            last.seq,\n            last.type,",
    ),
    _USER_LOG.edit(
        "merge-event-without-its-first",
        "first_seq=self.first_seq if self.first_seq != self.seq else msgspec.UNSET",
        "first_seq=msgspec.UNSET",
    ),
    _USER_LOG.edit(
        "compact-other-users-run",
        "events.c.user_id == self.user_id, events.c.run_id == run_id, events.c.type.in_(DELTA_FIELDS)",
        "events.c.run_id == run_id, events.c.type.in_(DELTA_FIELDS)",
    ),
    _USER_LOG.edit(
        "compact-leaves-the-parts",
        "                events.c.seq >= record.first_seq,\n                events.c.seq < record.seq,\n",
        "                events.c.seq > record.first_seq,\n                events.c.seq < record.seq,\n",
    ),
    _USER_LOG.edit(
        "compact-removes-in-every-log",
        "            delete(events).where(\n                events.c.user_id == self.user_id,\n                events.c.seq >= record.first_seq,",
        "            delete(events).where(\n                events.c.seq >= record.first_seq,",
    ),
    _USER_LOG.edit(
        "compact-writes-in-every-log",
        ".where(events.c.user_id == self.user_id, events.c.seq == record.seq)",
        ".where(events.c.seq == record.seq)",
    ),
    _USER_LOG.edit(
        "compact-keeps-no-parts",
        "parts=msgspec.json.encode(record.parts).decode() if record.parts is not None else None",
        "parts=None",
    ),
    # Erasing
    _USER_LOG.edit(
        "erase-keeps-the-payload",
        'Record(group[0].first_seq, group[-1].seq, "erased", None, None, group[-1].ts, blank)',
        'Record(group[0].first_seq, group[-1].seq, "erased", None, None, group[-1].ts, group[-1].payload)',
    ),
    _USER_LOG.edit(
        "erase-keeps-the-run",
        'Record(group[0].first_seq, group[-1].seq, "erased", None, None, group[-1].ts, blank)',
        'Record(group[0].first_seq, group[-1].seq, "erased", None, group[-1].run_id, group[-1].ts, blank)',
    ),
    _USER_LOG.edit(
        "erase-in-every-log",
        '            events.c.user_id == self.user_id,\n            (events.c.thread_id == thread_id) | (events.c.type == "erased"),',
        '            (events.c.thread_id == thread_id) | (events.c.type == "erased"),',
    ),
    _USER_LOG.edit(
        "erase-over-a-hole",
        "            if group and record.first_seq != group[-1].seq + 1:\n",
        "            if group and record.first_seq > group[-1].seq + 2:\n",
    ),
    _USER_LOG.edit(
        "erase-forgets-the-last-group",
        "            group.append(record)\n        self._blank(group)\n",
        "            group.append(record)\n",
    ),
    # Trimming
    _USER_LOG.edit("trim-keeps-one-less", "bound = head.seq - keep\n", "bound = head.seq - keep + 1\n"),
    _USER_LOG.edit("trim-into-an-open-run", "bound = min(bound, first_open - 1)", "bound = min(bound, first_open)"),
    _USER_LOG.edit(
        "trim-forgets-open-runs", "open_ids = [run.id for run in self.runs.open()]", "open_ids: list[str] = []"
    ),
    _USER_LOG.edit(
        "trim-what-is-young",
        "events.c.seq <= bound, events.c.ts < older_than",
        "events.c.seq <= bound, events.c.ts < older_than + 1_000_000_000",
    ),
    _USER_LOG.edit(
        "trim-every-log",
        "delete(events).where(events.c.user_id == self.user_id, events.c.seq <= floor)",
        "delete(events).where(events.c.seq <= floor)",
    ),
    _USER_LOG.edit(
        "trim-floor-of-every-log",
        "update(heads).where(heads.c.user_id == self.user_id).values(floor=floor)",
        "update(heads).values(floor=floor)",
    ),
    _USER_LOG.edit(
        "trim-floor-not-written",
        "        self._connection.execute(update(heads).where(heads.c.user_id == self.user_id).values(floor=floor))\n",
        "",
    ),
    _USER_LOG.edit(
        "trim-floor-by-first-number",
        "select(func.max(events.c.seq)).where(",
        "select(func.max(events.c.first_seq)).where(",
    ),
    _USER_LOG.edit(
        "trim-users-off",
        "heads.c.head - heads.c.floor > keep",
        "heads.c.head > keep + 1_000_000",
        "tests/unit/services/test_housekeeping.py",
    ),
    _USER_LOG.edit(
        "remove-log-keeps-events",
        "    connection.execute(delete(events).where(events.c.user_id == user_id))\n",
        "",
        "tests/integration/test_account.py",
    ),
    _USER_LOG.edit(
        "remove-log-of-everybody",
        "    connection.execute(delete(heads).where(heads.c.user_id == user_id))\n",
        "    connection.execute(delete(heads))\n",
        "tests/integration/test_account.py",
    ),
    _USER_LOG.edit(
        "of-run-of-another-user",
        "select(*_COLUMNS).where(events.c.user_id == self.user_id, events.c.run_id == run_id)",
        "select(*_COLUMNS).where(events.c.run_id == run_id)",
        "tests/security/test_foreign_ids_over_http.py",
        _ROWS,
    ),
    _USER_LOG.edit(
        "of-thread-of-another-user",
        ".where(events.c.user_id == self.user_id, events.c.thread_id == thread_id, events.c.seq > after)",
        ".where(events.c.thread_id == thread_id, events.c.seq > after)",
        "tests/integration/test_account.py",
        _ROWS,
    ),
    _USER_LOG.edit(
        "of-thread-page-repeats",
        "events.c.thread_id == thread_id, events.c.seq > after)",
        "events.c.thread_id == thread_id, events.c.seq >= after)",
        _TILING,
        "tests/integration/test_account.py",
        _ROWS,
    ),
    # What runs say, together
    _APPENDS.edit("together-loses-the-order", "        ends[append.user_id] += len(events)\n", ""),
    _APPENDS.edit(
        "together-starts-one-early",
        "ends = {user_id: head - grown[user_id] for",
        "ends = {user_id: head - grown[user_id] - 1 for",
    ),
    _APPENDS.edit(
        "together-ends-where-it-began",
        "head - grown[user_id] for user_id, _, head in heads}",
        "head for user_id, _, head in heads}",
    ),
    _APPENDS.edit(
        "together-unmoved-heads-pass",
        "    if len(heads) != len(grown):\n        return None\n",
        "",
        equivalent="a log that has not begun is missed by name right after, and the group is kept one by one all the same",
    ),
    _APPENDS.edit(
        "together-lost-runs-pass",
        ".rowcount != len(appends):\n        return None",
        ".rowcount > len(appends):\n        return None",
    ),
    _APPENDS.edit(
        "together-another-users-run",
        ' WHERE runs.id = wanted.column1 AND runs.user_id = wanted.column2"',
        ' WHERE runs.id = wanted.column1"',
    ),
    _APPENDS.edit(
        "together-whatever-the-key",
        "\" AND runs.last_unit = wanted.column3 - 1 AND runs.state = 'running'\"",
        "\" AND runs.state = 'running'\"",
    ),
    _APPENDS.edit(
        "together-into-an-ended-run",
        "\" AND runs.last_unit = wanted.column3 - 1 AND runs.state = 'running'\"",
        '" AND runs.last_unit = wanted.column3 - 1"',
    ),
    _APPENDS.edit(
        "together-head-counts-units", "grown[append.user_id] += len(append.events)", "grown[append.user_id] += 1"
    ),
    _APPENDS.edit(
        "alone-whatever-the-key",
        "    if tx.runs.advance(append.run_id, append.number):\n",
        "    tx.runs.advance(append.run_id, append.number)\n    if append.number:\n",
    ),
    # The writer
    _WRITER.edit(
        "writer-never-together",
        "        appends = [job.append for job in group if job.append is not None]\n",
        "        appends = [job.append for job in group if job.append is not None and len(group) > 1_000]\n",
    ),
    _WRITER.edit(
        "writer-keeps-a-broken-group",
        '            connection.exec_driver_sql("ROLLBACK TO appends")\n',
        "            pass\n",
    ),
    _WRITER.edit("writer-keeps-a-refused-unit", '        connection.exec_driver_sql("ROLLBACK TO unit")\n', ""),
    _WRITER.edit(
        "writer-swallows-a-units-error",
        '        connection.exec_driver_sql("RELEASE unit")\n        job.error = error\n',
        '        connection.exec_driver_sql("RELEASE unit")\n',
    ),
    _WRITER.edit(
        "writer-tells-of-refused-units",
        "for job in batch if job.error is None and job.committed is not None]",
        "for job in batch if job.committed is not None]",
        equivalent="a unit whose error is set never has `committed` set: it is set by the unit's return, or taken back with the error",
    ),
    _WRITER.edit(
        "writer-lost-batch-is-told-as-kept",
        "            for job in batch:\n                job.committed = None\n                job.error = away or error\n",
        "            for job in batch:\n                job.error = job.error or (None if job.committed else away or error)\n",
    ),
    _WRITER.edit(
        "writer-wakes-before-the-commit",
        "                            self._run(job, connection, alone=len(batch) == 1)\n",
        "                            self._run(job, connection, alone=len(batch) == 1)\n                            if job.committed is not None:\n                                self._loop.call_soon_threadsafe(self._publish, [job.committed])\n                                job.committed = None\n",
    ),
    _WRITER.edit(
        "writer-answers-before-the-commit",
        "                            self._run(job, connection, alone=len(batch) == 1)\n",
        "                            self._run(job, connection, alone=len(batch) == 1)\n                            self._loop.call_soon_threadsafe(lambda job=job: job.future.done() or (job.future.set_exception(job.error) if job.error else job.future.set_result(job.value)))\n",
    ),
    _WRITER.edit(
        "writer-two-orders",
        "            batch.append(job)\n            if len(batch) == BATCH:",
        "            batch.insert(0, job)\n            if len(batch) == BATCH:",
    ),
    _WRITER.edit(
        "writer-drops-the-last-of-a-batch",
        "        return batch, False\n\n    def _write",
        "        return [], False\n\n    def _write",
    ),
    _WRITER.edit(
        "writer-batch-drops-one",
        "            if len(batch) == BATCH:\n                return batch, True\n",
        "            if len(batch) == BATCH:\n                return batch[:-1], True\n",
        hangs="whoever awaits the dropped unit waits for ever",
    ),
    _WRITER.edit("writer-environment-is-a-defect", "        sqlite3.SQLITE_FULL,\n", ""),
    _WRITER.edit("writer-extended-codes-unknown", "code & 0xFF in _ENVIRONMENT", "code in _ENVIRONMENT", _DURABILITY),
    _WRITER.edit(
        "writer-state-stays-good",
        "            self._note(LogState(available=False, reason=str(error.orig)) if away else self._state)\n",
        "",
    ),
    _WRITER.edit(
        "writer-state-stays-bad", "        else:\n            self._note(LogState(available=True, reason=None))\n", ""
    ),
    _WRITER.edit(
        "writer-takes-after-the-end",
        '            future.set_exception(LogUnavailable("the log is closed"))\n',
        "            self._jobs.put(_Job(run, future, append=append))\n",
        hangs="nobody carries out what is taken after the end",
    ),
    _WRITER.edit(
        "writer-group-holds-a-run-twice",
        "            group.append(job)\n            runs.add(job.append.run_id)\n",
        "            group.append(job)\n",
        equivalent="a run that is twice in a group moves one row less than wanted, so the group is kept one by one: slower, never wrong",
    ),
    _WRITER.edit(
        "writer-group-overtakes",
        "            if group:\n                yield group\n            group, runs = [], set()\n        if job.append is None:\n            yield [job]\n",
        "            pass\n        if job.append is None:\n            yield [job]\n",
    ),
    _WRITER.edit(
        "writer-unavailable-inside-a-group-is-swallowed",
        "            if unavailable(error):\n                raise\n        except Exception:  # noqa: BLE001 - it comes again",
        "            pass\n        except Exception:  # noqa: BLE001 - it comes again",
        equivalent="each unit of the group then goes by itself, and meets the same trouble",
    ),
    # The engine
    _SQLITE.edit("sqlite-no-fsync", '"synchronous=FULL"', '"synchronous=OFF"'),
    _SQLITE.edit("sqlite-normal-fsync", '"synchronous=FULL"', '"synchronous=NORMAL"'),
    _SQLITE.edit("sqlite-no-wal", '            "journal_mode=WAL",\n', '            "journal_mode=MEMORY",\n'),
    _SQLITE.edit(
        "sqlite-no-foreign-keys",
        '            "foreign_keys=ON",\n',
        "",
        _ROWS,
        "tests/integration/test_deleting.py",
        "tests/integration/test_account.py",
    ),
    _SQLITE.edit("sqlite-readers-may-write", '*(("query_only=ON",) if read_only else ()),', ""),
    _SQLITE.edit("sqlite-deferred-writer", 'begin="BEGIN IMMEDIATE"', 'begin="BEGIN"'),
    _SQLITE.edit(
        "sqlite-readers-without-transaction", 'begin="BEGIN", read_only=True', 'begin="SELECT 1", read_only=True'
    ),
    _SQLITE.edit(
        "sqlite-open-to-others",
        "mode=0o600",
        "mode=0o644",
        "tests/contract/test_durability.py",
    ),
    _SQLITE.edit(
        "sqlite-never-waits-for-a-lock",
        'f"busy_timeout={BUSY_MS}"',
        '"busy_timeout=0"',
        _ROWS,
        "tests/integration/test_cli_user.py",
    ),
    _SQLITE.edit(
        "sqlite-reader-hides-what-is-away",
        "            away = unavailable(error)\n            if away is None:\n                raise\n            raise away from error",
        "            raise",
    ),
    _CANARY.edit("canary-does-not-wait-to-be-woken", "                await woken.wait()\n", ""),
    _CANARY.edit(
        "canary-does-not-read",
        "        if isinstance(page, Gap) or not page.events:\n",
        "        if isinstance(page, Gap):\n",
    ),
    _CANARY.edit(
        "canary-is-fresh-for-ever",
        "loop.time() - self._landed > self._fresh",
        "loop.time() - self._landed > self._fresh * 1e9",
    ),
    _CANARY.edit(
        "canary-waits-for-ever",
        "            async with asyncio.timeout(self._timeout):\n",
        "            async with asyncio.timeout(None):\n",
        hangs="that is the defect",
    ),
)
