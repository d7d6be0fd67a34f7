"""Mutations of runs: the units that move them, their streams, who works and who waits, starting and stopping."""

from __future__ import annotations

from tests.mutations.mutation import Nearest

_SENDING = "tests/integration/test_sending.py"
_OUTCOMES = "tests/integration/test_stop_outcomes.py"
_SCOPE = "tests/integration/test_stop_scope.py"
_PHASES = "tests/integration/test_stop_phases.py"
_RACES = "tests/integration/test_stop_races.py"
_DEFECTS = "tests/integration/test_defects.py"
_AWAY = "tests/chaos/test_database_away.py"
_KILLS = "tests/chaos/test_kills.py"
_ENDING = "tests/chaos/test_ending.py"
_RECOVERY = "tests/contract/test_recovery.py"
_STREAM = "tests/contract/test_run_stream.py"
_LEDGER_TESTS = "tests/contract/test_ledger.py"
_ROWS = "tests/contract/test_rows.py"
_UNITS = "tests/contract/test_units.py"
_TOGETHER = "tests/contract/test_run_appends.py"
_PLACES = "tests/integration/test_places.py"
_WRONG = "tests/security/test_bad_frames.py::test_every_wrong_frame_is_explained_and_leaves_no_trace"
_HISTORY = "tests/integration/test_turn_history.py"

_LEDGER = Nearest("runs/ledger.py", _LEDGER_TESTS, _SENDING, _OUTCOMES)
_RUNSTREAM = Nearest("runs/stream.py", _STREAM, _PHASES)
_SUPERVISOR = Nearest("runs/supervisor.py", _PLACES, _SENDING)
_SERVICE = Nearest("services/agent_service_core.py", _SENDING, _SCOPE, _OUTCOMES)
_RUNS = Nearest("storage/runs.py", _ROWS, _OUTCOMES, _RACES)
_BRIDGE = Nearest("services/agent_websocket_bridge.py", "tests/unit/services/test_bridge.py")
_REDACTION = Nearest("runs/redaction.py", "tests/unit/test_redaction.py")
_WATCH = Nearest(
    "services/socket_watch.py", "tests/security/test_sessions.py", "tests/unit/services/test_socket_watch.py"
)
_KEEPING = Nearest("services/housekeeping.py", "tests/unit/services/test_housekeeping.py")
_FOLDER = Nearest("storage/folder.py", "tests/contract/test_epochs.py")

MUTATIONS = (
    # Beginning
    _LEDGER.edit(
        "begin-same-id-with-other-text",
        "    if run is None or not same_text or not same_thread:\n",
        "    if run is None or not same_thread:\n",
    ),
    _LEDGER.edit(
        "begin-same-id-in-another-thread",
        "    if run is None or not same_text or not same_thread:\n",
        "    if run is None or not same_text:\n",
    ),
    _LEDGER.edit("begin-a-repetition-anew", "    if repeated is not None:\n        return repeated\n", ""),
    _LEDGER.edit(
        "begin-threads-without-limit",
        "    if tx.threads.count() >= most:\n",
        "    if tx.threads.count() > most * 1_000:\n",
        _PLACES,
    ),
    _LEDGER.edit(
        "begin-one-thread-too-many",
        "    if tx.threads.count() >= most:\n",
        "    if tx.threads.count() > most:\n",
        _LEDGER_TESTS,
    ),
    _LEDGER.edit(
        "begin-queue-without-limit",
        "tx.runs.count_queued() >= limits.queued_runs",
        "tx.runs.count_queued() >= limits.queued_runs * 1_000",
    ),
    _LEDGER.edit(
        "begin-one-too-many-queued",
        "tx.runs.count_queued() >= limits.queued_runs",
        "tx.runs.count_queued() > limits.queued_runs",
    ),
    _LEDGER.edit("begin-in-a-busy-thread", "    starts = may_start and not busy\n", "    starts = may_start\n"),
    _LEDGER.edit(
        "begin-without-a-place", "    starts = may_start and not busy\n", "    starts = not busy\n", _PLACES, _SENDING
    ),
    _LEDGER.edit(
        "begin-reject-queues",
        '    if busy and new.when_busy == "reject":\n',
        '    if busy and new.when_busy == "never":\n',
    ),
    _LEDGER.edit(
        "begin-interrupt-stops-nothing",
        '        stop_runs(tx, busy, reason="interrupted by a new message", requested_by="user")\n',
        "",
        _SENDING,
        _RACES,
    ),
    _LEDGER.edit(
        "begin-interrupt-stops-one",
        "        stopped = tuple(run.id for run in busy)\n",
        "        busy = busy[:1]\n        stopped = tuple(run.id for run in busy)\n",
        _SENDING,
        _RACES,
    ),
    _LEDGER.edit(
        "begin-keeps-no-client-id",
        "        client_message_id=new.client_message_id,\n        fingerprint=new.fingerprint,\n",
        "        client_message_id=None,\n        fingerprint=new.fingerprint,\n",
    ),
    _LEDGER.edit(
        "begin-message-of-no-number",
        "        now=tx.now,\n        seq=seq,\n    )\n    if starts:",
        "        now=tx.now,\n        seq=seq + 1,\n    )\n    if starts:",
    ),
    _LEDGER.edit(
        "begin-touches-no-thread",
        "        thread = found\n        tx.threads.touch(thread.id, tx.now)\n",
        "        thread = found\n",
        _LEDGER_TESTS,
    ),
    _LEDGER.edit(
        "start-without-its-event",
        "        tx.append(started, thread_id=run.thread_id, run_id=run_id)\n",
        "        pass\n",
    ),
    # Stopping
    _LEDGER.edit(
        "stop-ended-runs-again",
        "        if run.terminal_seq is not None:\n            outcomes.append",
        "        if run.terminal_seq is None and run.finished_at:\n            outcomes.append",
    ),
    _LEDGER.edit(
        "stop-names-no-end", 'outcome="already_finished", seq=run.terminal_seq)', 'outcome="already_finished")'
    ),
    _LEDGER.edit(
        "stop-leaves-queued-runs",
        '            if run.state == "queued":\n                _end_queued',
        '            if run.state == "never":\n                _end_queued',
    ),
    _LEDGER.edit(
        "stop-unmarked",
        "        if tx.runs.request_stop(run.id, tx.now, reason, requested_by):\n",
        "        if run.stop_requested_at is None:\n",
    ),
    _LEDGER.edit(
        "stop-tells-twice",
        "        if tx.runs.request_stop(run.id, tx.now, reason, requested_by):\n",
        "        if tx.runs.request_stop(run.id, tx.now, reason, requested_by) or True:\n",
    ),
    _LEDGER.edit(
        "stop-tells-no-tab",
        "                tx.append(stopping, thread_id=run.thread_id, run_id=run.id)\n",
        "                pass\n",
    ),
    # Ending
    _LEDGER.edit(
        "end-twice",
        "    if run is None or run.terminal_seq is not None:\n        return False\n    if ending",
        "    if run is None:\n        return False\n    if ending",
        _RECOVERY,
        _DEFECTS,
        _OUTCOMES,
    ),
    _LEDGER.edit(
        "end-completes-over-a-stop",
        'kind = "stopped" if run.stop_requested_at is not None else ending.kind',
        "kind = ending.kind",
        _OUTCOMES,
        _RACES,
    ),
    _LEDGER.edit(
        "end-stop-not-on-record",
        "        tx.runs.request_stop(run_id, tx.now, ending.stop_reason, ending.stop_requested_by)\n        run = tx.runs.get(run_id) or run\n",
        "        pass\n",
        _RECOVERY,
        _AWAY,
        _OUTCOMES,
    ),
    _LEDGER.edit(
        "end-tools-left-open",
        "    for tool in open_tools.values():\n",
        "    for tool in list(open_tools.values())[:0]:\n",
        _PHASES,
        _RECOVERY,
    ),
    _LEDGER.edit(
        "end-first-tool-only",
        "    for tool in open_tools.values():\n",
        "    for tool in list(open_tools.values())[:1]:\n",
        _PHASES,
        _RECOVERY,
        _DEFECTS,
    ),
    _LEDGER.edit(
        "end-tools-always-cancelled",
        "            status=ending.open_tools,\n",
        '            status="cancelled",\n',
        _PHASES,
        _RECOVERY,
    ),
    _LEDGER.edit(
        "end-keeps-no-partial-answer",
        'message_id = str(uuid7()) if text or kind == "completed" else None',
        'message_id = str(uuid7()) if kind == "completed" else None',
        _PHASES,
    ),
    _LEDGER.edit(
        "end-partial-answer-looks-whole",
        'state="complete" if kind == "completed" else kind',
        'state="complete"',
        _HISTORY,
        _PHASES,
    ),
    _LEDGER.edit(
        "end-loses-the-history",
        "        history=ending.history,\n    )\n    tx.threads",
        "        history=None,\n    )\n    tx.threads",
        _HISTORY,
    ),
    _LEDGER.edit(
        "end-loses-the-usage",
        "        usage=msgspec.json.encode(ending.usage).decode(),\n        error=error,",
        "        usage=None,\n        error=error,",
        _RECOVERY,
    ),
    _LEDGER.edit(
        "end-loses-the-error",
        "            error = RunError(ending.code, ending.message, ending.retryable)\n",
        '            error = ("", "")\n',
        _RECOVERY,
    ),
    _LEDGER.edit(
        "end-loses-finish-reason",
        "                finish_reason=ending.finish_reason,\n",
        "",
        _RECOVERY,
    ),
    _LEDGER.edit(
        "recover-closes-ended-tools-again",
        "            open_tools.pop(payload.tool_call_id, None)\n",
        "            pass\n",
        _RECOVERY,
        _DEFECTS,
    ),
    _LEDGER.edit(
        "recover-loses-the-text",
        "            text.append(record.text)\n            continue\n",
        "            continue\n",
        _RECOVERY,
        _DEFECTS,
    ),
    _LEDGER.edit(
        "recover-says-cancelled",
        '        retryable=True,\n        open_tools="unknown",\n',
        "        retryable=True,\n",
        _RECOVERY,
    ),
    _LEDGER.edit(
        "recover-not-retryable",
        '        retryable=True,\n        open_tools="unknown",\n',
        '        open_tools="unknown",\n',
        _RECOVERY,
    ),
    # The row
    _RUNS.edit(
        "row-steps-whatever-the-state",
        "runs.c.state.in_([state for state, steps in LEGAL_STEPS.items() if wanted in steps])",
        "runs.c.state.in_(list(LEGAL_STEPS))",
    ),
    _RUNS.edit(
        "row-completes-over-a-stop",
        'self._step(run_id, state, values, unless_stop_requested=state != "stopped")',
        "self._step(run_id, state, values, unless_stop_requested=False)",
        _ROWS,
    ),
    _RUNS.edit(
        "row-starts-over-a-stop",
        '{"started_at": now}, unless_stop_requested=True',
        '{"started_at": now}, unless_stop_requested=False',
        _ROWS,
    ),
    _RUNS.edit(
        "row-stop-of-any-user",
        "                runs.c.id == run_id,\n                runs.c.user_id == self._user_id,\n                runs.c.state.in_(OPEN_STATES),\n",
        "                runs.c.id == run_id,\n                runs.c.state.in_(OPEN_STATES),\n",
        "tests/contract/test_units.py",
    ),
    _RUNS.edit(
        "row-stop-after-the-end",
        "                runs.c.state.in_(OPEN_STATES),\n                runs.c.stop_requested_at.is_(None),\n",
        "                runs.c.stop_requested_at.is_(None),\n",
        _ROWS,
    ),
    _RUNS.edit(
        "row-stop-counts-twice",
        "                runs.c.state.in_(OPEN_STATES),\n                runs.c.stop_requested_at.is_(None),\n",
        "                runs.c.state.in_(OPEN_STATES),\n",
    ),
    _RUNS.edit(
        "row-of-any-user",
        '_ONE = (runs.c.id == bindparam("of_run")) & _OF_USER',
        '_ONE = (runs.c.id == bindparam("of_run")) & (bindparam("of_user") != "")',
        "tests/security/test_foreign_ids_over_http.py",
    ),
    _RUNS.edit(
        "row-unit-of-any-user",
        '        runs.c.user_id == bindparam("b_user_id"),\n',
        '        bindparam("b_user_id") != "",\n',
        _UNITS,
        _TOGETHER,
    ),
    _RUNS.edit(
        "row-unit-out-of-turn",
        '        runs.c.last_unit == bindparam("b_before"),\n',
        '        bindparam("b_before") >= 0,\n',
        _UNITS,
        _TOGETHER,
    ),
    _RUNS.edit(
        "row-unit-of-an-ended-run",
        '        runs.c.state == "running",\n    )\n    .values(last_unit',
        "    )\n    .values(last_unit",
        _UNITS,
        _TOGETHER,
    ),
    _RUNS.edit(
        "row-missing-unit-passes",
        "        if run.last_unit >= unit:\n            return False\n        raise",
        "        if run.last_unit >= unit or True:\n            return False\n        raise",
        _UNITS,
        _TOGETHER,
    ),
    _RUNS.edit(
        "row-open-of-all-users",
        "_OPEN = _SELECT.where(_OF_USER, runs.c.state.in_(OPEN_STATES))",
        '_OPEN = _SELECT.where(bindparam("of_user") != "", runs.c.state.in_(OPEN_STATES))',
        _ROWS,
        "tests/security/test_foreign_ids_over_sockets.py",
        _SCOPE,
        "tests/security/test_two_users.py",
    ),
    _RUNS.edit(
        "row-open-of-all-threads",
        '_OPEN_OF_THREAD = _OPEN.where(runs.c.thread_id == bindparam("of_thread"))',
        '_OPEN_OF_THREAD = _OPEN.where(bindparam("of_thread") != "")',
        _OUTCOMES,
        _SCOPE,
    ),
    _RUNS.edit(
        "row-counts-everybodys-queue",
        '.where(_OF_USER, runs.c.state == "queued")',
        '.where(bindparam("of_user") != "", runs.c.state == "queued")',
        _SENDING,
        _ROWS,
    ),
    _RUNS.edit(
        "row-counts-what-runs-as-queued",
        '.where(_OF_USER, runs.c.state == "queued")',
        ".where(_OF_USER, runs.c.state.in_(OPEN_STATES))",
        _SENDING,
    ),
    _RUNS.edit(
        "row-history-of-the-future",
        'runs.c.number < bindparam("before")',
        'runs.c.number != bindparam("before")',
        _ROWS,
    ),
    _RUNS.edit(
        "row-history-holds-itself",
        'runs.c.number < bindparam("before")',
        'runs.c.number <= bindparam("before")',
        _ROWS,
    ),
    _RUNS.edit(
        "row-history-oldest-instead-of-newest",
        '    .order_by(runs.c.number.desc())\n    .limit(bindparam("most"))',
        '    .order_by(runs.c.number)\n    .limit(bindparam("most"))',
        _ROWS,
    ),
    _RUNS.edit(
        "row-history-of-another-thread",
        '    & (runs.c.thread_id == bindparam("of_thread"))\n',
        '    & (bindparam("of_thread") != "")\n',
        _ROWS,
    ),
    _RUNS.edit(
        "row-history-of-another-user",
        "_ENDED_BEFORE = (\n    _OF_USER\n",
        '_ENDED_BEFORE = (\n    (bindparam("of_user") != "")\n',
        _ROWS,
    ),
    _RUNS.edit(
        "row-history-of-open-runs",
        "    & runs.c.state.not_in(OPEN_STATES)\n",
        "",
        _ROWS,
    ),
    _RUNS.edit(
        "row-history-of-runs-that-never-started",
        "    & runs.c.started_at.is_not(None)\n",
        "",
        _ROWS,
    ),
    _RUNS.edit(
        "row-recovery-out-of-order",
        "return [RunRef(*row) for row in connection.execute(query.order_by(runs.c.number))]",
        "return [RunRef(*row) for row in connection.execute(query.order_by(runs.c.number.desc()))]",
        _RECOVERY,
        _KILLS,
    ),
    _RUNS.edit(
        "row-compacts-runs-under-way",
        "        runs.c.finished_at.is_not(None), runs.c.compacted_at.is_(None)\n",
        "        runs.c.compacted_at.is_(None)\n",
        "tests/integration/test_compacted_logs.py",
    ),
    _RUNS.edit(
        "row-compacts-for-ever",
        "        runs.c.finished_at.is_not(None), runs.c.compacted_at.is_(None)\n",
        "        runs.c.finished_at.is_not(None)\n",
        "tests/integration/test_compacted_logs.py",
        "tests/unit/services/test_housekeeping.py",
    ),
    _RUNS.edit(
        "row-newest-of-all-users",
        "query = _SELECT.where(runs.c.user_id == self._user_id)\n        if thread_id is not None:",
        'query = _SELECT.where(runs.c.user_id != "")\n        if thread_id is not None:',
        _ROWS,
    ),
    # A run's stream
    _RUNSTREAM.edit(
        "stream-tool-starts-before-its-commit",
        "        await self._until_kept(self._added)\n",
        "        await self._room()\n",
    ),
    _RUNSTREAM.edit(
        "stream-tool-waits-for-the-one-before",
        "        await self._until_kept(self._added)\n",
        "        await self._until_kept(self._added - 1)\n",
    ),
    _RUNSTREAM.edit(
        "stream-kept-before-the-commit",
        "            await self._commit(lambda append=append: self._manager.append(append))\n            self._unit = unit\n            self._kept += len(batch)\n",
        "            self._kept += len(batch)\n            self._progress.set()\n            await self._commit(lambda append=append: self._manager.append(append))\n            self._unit = unit\n",
    ),
    _RUNSTREAM.edit(
        "stream-commit-not-awaited",
        "            await self._commit(lambda append=append: self._manager.append(append))\n",
        "            self._manager.append(append)\n",
        _AWAY,
        _STREAM,
    ),
    _RUNSTREAM.edit(
        "stream-ended-tool-stays-open",
        "        tool = self._tools.pop(tool_call_id, None)\n",
        "        tool = self._tools.get(tool_call_id)\n",
    ),
    _RUNSTREAM.edit(
        "stream-unknown-tool-ends",
        '        if tool is None:\n            raise ValueError(f"tool call {tool_call_id} isn\'t open")\n',
        "        if tool is None:\n            return\n",
        _STREAM,
    ),
    _RUNSTREAM.edit(
        "stream-parameters-unmasked",
        "shown = presentable(parameters, self._limits.tool_value)",
        "shown = parameters",
        "tests/integration/test_tool_values.py",
    ),
    _RUNSTREAM.edit(
        "stream-results-unmasked",
        "result=presentable(result, self._limits.tool_value)",
        "result=result",
        "tests/integration/test_tool_values.py",
    ),
    _RUNSTREAM.edit(
        "stream-answer-without-limit",
        "        if self._shown_chars > self._limits.answer:\n",
        "        if self._shown_chars > self._limits.answer * 1_000:\n",
        _DEFECTS,
    ),
    _RUNSTREAM.edit(
        "stream-thinking-joins-text",
        "        if isinstance(last, _Growing) and last.kind is kind:\n",
        "        if isinstance(last, _Growing):\n",
    ),
    _RUNSTREAM.edit(
        "stream-text-after-a-tool-goes-before-it",
        "        last = self._waiting[-1] if self._waiting else None\n",
        "        last = next((each for each in reversed(self._waiting) if isinstance(each, _Growing)), None)\n",
        _STREAM,
    ),
    _RUNSTREAM.edit(
        "stream-buffer-without-bound",
        "> self._limits.buffer and not self._closed",
        "> self._limits.buffer * 1_000 and not self._closed",
        _STREAM,
    ),
    _RUNSTREAM.edit(
        "stream-flying-text-is-free",
        "self._waiting_size + self._flying_size > self._limits.buffer",
        "self._waiting_size > self._limits.buffer",
        _STREAM,
    ),
    _RUNSTREAM.edit(
        "stream-unit-again-under-another-key",
        "            await self._commit(lambda append=append: self._manager.append(append))\n",
        "            await self._commit(lambda batch=batch: self._manager.append(self._append_of(batch, self._unit + 1)))\n",
        equivalent="the key counts what was kept, and nothing is kept between two tries",
    ),
    _RUNSTREAM.edit(
        "stream-gives-up-when-the-log-is-away",
        "            except LogUnavailable:\n                await asyncio.sleep(pause)\n                pause = min(pause * 2, RETRY_MOST)\n",
        "            except LogUnavailable:\n                return\n",
        _STREAM,
        _AWAY,
    ),
    _RUNSTREAM.edit(
        "stream-end-without-what-waits",
        '            if run.state == "running":\n                keep_one(tx, append)\n',
        "",
    ),
    _RUNSTREAM.edit(
        "stream-end-under-the-last-key",
        "        append = self._append_of(batch, self._unit + 1)\n\n        def end",
        "        append = self._append_of(batch, self._unit)\n\n        def end",
    ),
    _RUNSTREAM.edit(
        "stream-ending-asked-once",
        "        def next_try() -> Awaitable[None]:\n            now = ending()\n            return",
        "        now = ending()\n\n        def next_try() -> Awaitable[None]:\n            return",
        _STREAM,
        _AWAY,
    ),
    _RUNSTREAM.edit(
        "stream-takes-after-the-end",
        '        if self._closed:\n            raise SinkClosed(f"run {self._run_id} is over")\n',
        "        pass\n",
        _STREAM,
    ),
    _RUNSTREAM.edit(
        "stream-broken-run-stays-open",
        "        await self._commit(lambda: self._manager.commit(lambda tx: end_from_log(tx, self._run_id, _BROKEN)))\n",
        "        return\n",
        _DEFECTS,
    ),
    _RUNSTREAM.edit(
        "stream-broken-pump-tells-nobody",
        "            self._broken = self._closed = True\n            self._progress.set()\n",
        "            self._broken = True\n",
        _STREAM,
    ),
    _RUNSTREAM.edit(
        "stream-critical-events-wait-for-the-window",
        "        self._urgent = True\n        self._kick()\n",
        "        self._kick()\n",
        _STREAM,
    ),
    _RUNSTREAM.edit(
        "stream-text-before-a-tool-dropped",
        "        batch = list(self._waiting)\n",
        "        batch = [each for each in self._waiting if not (self._urgent and isinstance(each, _Growing))]\n",
        _STREAM,
    ),
    # Who works and who waits
    _SUPERVISOR.edit(
        "places-users-without-limit",
        "of_user[run.user_id] >= self._settings.max_running_runs_per_user",
        "of_user[run.user_id] >= self._settings.max_running_runs_per_user * 1_000",
    ),
    _SUPERVISOR.edit(
        "places-one-more-a-user",
        "of_user[run.user_id] >= self._settings.max_running_runs_per_user",
        "of_user[run.user_id] > self._settings.max_running_runs_per_user",
    ),
    _SUPERVISOR.edit(
        "places-server-without-limit",
        "            if free <= 0:\n                return\n",
        "",
        "tests/integration/test_admission.py",
    ),
    _SUPERVISOR.edit(
        "places-two-in-a-thread",
        "            if run.thread_id is not None and run.thread_id in busy:\n                continue\n",
        "",
        _SENDING,
    ),
    _SUPERVISOR.edit(
        "places-a-full-user-blocks-all",
        "of_user[run.user_id] >= self._settings.max_running_runs_per_user:\n                continue",
        "of_user[run.user_id] >= self._settings.max_running_runs_per_user:\n                return",
    ),
    _SUPERVISOR.edit(
        "places-not-given-on",
        "        if self._runs.pop(run.run_id, None) is not None:\n            self._give_places()\n",
        "        self._runs.pop(run.run_id, None)\n",
        hangs="a queued run never starts",
    ),
    _SUPERVISOR.edit(
        "places-kept-after-the-end",
        "        finally:\n            self.release(run)\n",
        "        finally:\n            pass\n",
        hangs="a queued run never starts",
    ),
    _SUPERVISOR.edit("places-given-while-draining", "        if self._draining:\n            return\n", "", _ENDING),
    _SUPERVISOR.edit(
        "places-kept-by-a-queued-run",
        "            run.placed = False\n            if run.ending_for is None:\n                run.go.clear()\n",
        "            pass\n",
        _PLACES,
    ),
    _SUPERVISOR.edit(
        "places-stop-lost-while-recorded",
        "            if run.ending_for is None:\n                run.go.clear()\n",
        "            run.go.clear()\n",
        _SCOPE,
        _RACES,
        _PLACES,
        hangs="the stopped run never comes to its end",
    ),
    _SUPERVISOR.edit(
        "stop-flag-ignored-at-the-start",
        "            why = run.ending_for\n            if why is None:\n                start_run",
        "            why = None\n            if why is None:\n                start_run",
        _SCOPE,
        _RACES,
        _AWAY,
    ),
    _SUPERVISOR.edit(
        "stop-flag-ignored-before-the-turn",
        "        if run.ending_for is not None or past is None:\n",
        "        if past is None:\n",
        _SCOPE,
        _PLACES,
    ),
    _SUPERVISOR.edit(
        "stop-second-reason-wins",
        "        if self.ending_for is None:\n            self.ending_for = ending\n",
        "        self.ending_for = ending\n",
        _PLACES,
        _ENDING,
    ),
    _SUPERVISOR.edit(
        "stop-cancels-nothing", "        if self.handle is not None:\n            self.handle.cancel()\n", "", _PHASES
    ),
    _SUPERVISOR.edit(
        "stop-of-everybodys-runs",
        "            if run.user_id == user_id\n            and (run_id",
        '            if run.user_id != ""\n            and (run_id',
        _SCOPE,
        "tests/security/test_two_users.py",
    ),
    _SUPERVISOR.edit(
        "stop-of-every-thread",
        "            and (thread_id is None or run.thread_id == thread_id)\n",
        "",
        _SCOPE,
        _OUTCOMES,
    ),
    _SUPERVISOR.edit(
        "recover-starts-what-was-running",
        '            if ref.state == "running":\n                await self._log.commit',
        '            if ref.state == "never":\n                await self._log.commit',
        _RECOVERY,
    ),
    _SUPERVISOR.edit(
        "recover-loses-what-was-queued", "                self._take_up(ref)\n", "                pass\n", _RECOVERY
    ),
    _SUPERVISOR.edit(
        "defect-ends-no-run",
        '            ending = run.ending_for or Ending(kind="failed", code=FailureCode.AGENT_ERROR, message=message)\n        await stream.finish',
        "            raise\n        await stream.finish",
        _DEFECTS,
    ),
    _LEDGER.edit(
        "recover-leaves-tools-open",
        "            open_tools[payload.tool_call_id] = OpenTool(\n",
        "            _ = OpenTool(\n",
        _RECOVERY,
    ),
    _SUPERVISOR.edit(
        "swallowed-cancellation-holds-the-end",
        "                await asyncio.wait({worker}, timeout=self._settings.stop_grace)\n",
        "                await asyncio.wait({worker})\n",
        _PHASES,
        hangs="the run waits for a tool that swallows its cancellation",
    ),
    _SUPERVISOR.edit(
        "swallowed-cancellation-looks-cancelled",
        'return replace(run.ending_for or Ending(kind="stopped"), open_tools="unknown")',
        'return replace(run.ending_for or Ending(kind="stopped"))',
        _PHASES,
    ),
    _SUPERVISOR.edit(
        "own-timeout-only",
        "        done, _ = await asyncio.wait({worker, ending_now}, timeout=most, return_when=asyncio.FIRST_COMPLETED)",
        "        done, _ = await asyncio.wait({worker, ending_now}, return_when=asyncio.FIRST_COMPLETED)",
        "tests/integration/test_model_failures.py",
        hangs="the run waits for a tool that swallows its timeout",
    ),
    _SUPERVISOR.edit(
        "cancelled-turn-completes",
        "        if not result.cancelled:\n",
        "        if not result.cancelled or run.ending_for is not None:\n",
        _OUTCOMES,
        _PHASES,
        "tests/chaos/test_ending.py",
    ),
    _SUPERVISOR.edit(
        "insist-gives-up",
        "            except LogUnavailable:\n                await asyncio.sleep(RETRY)\n\n    def _abandon",
        "            except LogUnavailable:\n                raise\n\n    def _abandon",
        _AWAY,
        _PLACES,
    ),
    _SUPERVISOR.edit(
        "past-stopped-looks-complete",
        '                    earlier.run.state != "completed",\n',
        "                    False,\n",
        _HISTORY,
    ),
    _SUPERVISOR.edit(
        "drain-has-no-grace",
        "        _, late = await asyncio.wait(tasks, timeout=grace)\n",
        "        _, late = await asyncio.wait(tasks, timeout=0)\n",
        _ENDING,
    ),
    _SUPERVISOR.edit(
        "drain-ends-nothing",
        "        for run in working:\n            run.end(\n",
        "        for run in working[:0]:\n            run.end(\n",
        _ENDING,
    ),
    # The way in
    _SERVICE.edit(
        "service-repetition-keeps-its-place",
        "        if started.repeated:\n            self._supervisor.release(run)\n            return started\n",
        "        if started.repeated:\n            return started\n",
        _PLACES,
        _SENDING,
    ),
    _SERVICE.edit(
        "service-refusal-keeps-its-place",
        "        except BaseException:\n            self._supervisor.release(run)\n            raise\n",
        "        except BaseException:\n            raise\n",
        _PLACES,
        _SENDING,
    ),
    _SERVICE.edit(
        "service-refusal-by-a-defect-keeps-its-place",
        "        except BaseException:\n            self._supervisor.release(run)\n",
        "        except LogUnavailable:\n            self._supervisor.release(run)\n",
        _PLACES,
        _SENDING,
    ),
    _SERVICE.edit(
        "service-answers-before-the-commit",
        "            started = await websocket_manager.commit(lambda tx: begin_run(tx, new, may_start=placed, limits=limits))\n",
        "            started = await websocket_manager.commit(lambda tx: begin_run(tx, new, may_start=True, limits=limits))\n",
        _PLACES,
        _SENDING,
    ),
    _SERVICE.edit(
        "service-takes-while-deleting",
        "        if (context.user_id, new.thread_id) in self._closed_threads:\n",
        "        if (new.thread_id, context.user_id) in self._closed_threads:\n",
        "tests/integration/test_deleting.py",
    ),
    _SERVICE.edit(
        "service-opens-a-thread-that-two-delete",
        "            self._closed_threads.remove((user_id, thread_id))\n",
        "            self._closed_threads[:] = [each for each in self._closed_threads if each != (user_id, thread_id)]\n",
        "tests/integration/test_deleting.py",
    ),
    _SERVICE.edit(
        "service-no-rate",
        "        if wait := self._rate.take(context.user_id):\n",
        "        if (wait := self._rate.take(context.user_id)) and not context.user_id:\n",
    ),
    _SERVICE.edit("service-one-rate-for-all", "self._rate.take(context.user_id)", 'self._rate.take("everybody")'),
    _SERVICE.edit(
        "service-text-without-limit",
        "        if len(text) > self._settings.max_text_chars:\n",
        "        if len(text) > self._settings.max_text_chars * 1_000:\n",
        _WRONG,
    ),
    _SERVICE.edit(
        "service-takes-nul",
        '        if "\\0" in text:\n',
        "        if not text:\n",
        _WRONG,
    ),
    _SERVICE.edit(
        "service-takes-blanks",
        "        if not text.strip():\n",
        "        if not text:\n",
        _WRONG,
    ),
    _SERVICE.edit(
        "service-stop-recorded-after-the-cancel",
        '            record = websocket_manager.commit(unit)\n            # It may outlast the patience below; then what became of it is told by the log, not by this future.\n            record.add_done_callback(lambda record: record.cancelled() or record.exception())\n            cancelled = self._cancel(\n                user_context, Ending("stopped", stop_reason=reason, stop_requested_by=requested_by)\n            )\n',
        '            cancelled = self._cancel(\n                user_context, Ending("stopped", stop_reason=reason, stop_requested_by=requested_by)\n            )\n            await asyncio.sleep(0)\n            await asyncio.sleep(0)\n            record = websocket_manager.commit(unit)\n',
        _RACES,
        _OUTCOMES,
    ),
    _SERVICE.edit(
        "service-stop-acknowledged-unrecorded",
        "                if record.done():\n                    outcomes = record.result()\n",
        '                if record.done() or cancelled:\n                    outcomes = record.result() if record.done() and not record.exception() else [RunOutcome(run_id=run.run_id, outcome="stopping") for run in cancelled]\n',
        _AWAY,
    ),
    _SERVICE.edit(
        "service-stop-leaves-orphans",
        "                    await self._end_orphans(websocket_manager, outcomes)\n",
        "",
        _DEFECTS,
    ),
    _SERVICE.edit(
        "service-stop-ends-what-works",
        'if outcome.outcome == "stopping" and not self._supervisor.of_user(manager.user_id, run_id=run_id):',
        'if outcome.outcome == "stopping":',
        _OUTCOMES,
        _PHASES,
    ),
    _SERVICE.edit(
        "service-stop-tells-no-socket",
        "            websocket_manager.broadcast(StopUnrecorded(runs=run_ids))\n",
        "            pass\n",
        _AWAY,
    ),
    _SERVICE.edit(
        "service-stop-of-a-foreign-thread-is-empty",
        '        raise NotFound("there is no such thread", field="payload.thread_id")\n    return',
        "        return []\n    return",
        _SCOPE,
    ),
    _SERVICE.edit(
        "service-stop-of-a-run-in-another-thread",
        "        if run is None or user_context.thread_id not in {None, run.thread_id}:\n",
        "        if run is None:\n",
        _SCOPE,
    ),
    _SERVICE.edit(
        "service-interrupted-runs-go-on",
        '                interrupted.end(Ending("stopped", stop_reason="interrupted by a new message"))\n',
        "                pass\n",
        _SENDING,
        _RACES,
        hangs="what was interrupted never ends",
    ),
    _SERVICE.edit(
        "service-serves-while-closed",
        "        if status.state in {BridgeState.STARTING, BridgeState.CLOSED}:\n",
        "        if status.state in {BridgeState.STARTING}:\n",
        "tests/unit/services/test_bridge.py",
    ),
    # Bridge, redaction, watch, housekeeping, folder
    _BRIDGE.edit(
        "bridge-says-it-can",
        "        wanted = BridgeState.ACTIVE if self._log.state.available else BridgeState.DEGRADED\n        if wanted",
        "        wanted = BridgeState.ACTIVE\n        if wanted",
    ),
    _BRIDGE.edit(
        "bridge-opens-when-closed",
        "        if self._state not in {BridgeState.ACTIVE, BridgeState.DEGRADED}:\n            raise Illegal",
        "        if self._state is BridgeState.STARTING:\n            raise Illegal",
    ),
    _WATCH.edit(
        "watch-lost-sessions-keep-their-sockets",
        '                if connection.session_id not in self._sessions:\n                    connection.close(4401, "the session has ended")\n',
        "",
    ),
    _WATCH.edit(
        "watch-catches-nothing-up",
        "                    connection.note(head.seq)\n                    connection.catch_up()\n",
        "                    pass\n",
        "tests/unit/services/test_socket_watch.py",
    ),
    _WATCH.edit(
        "watch-unusable-sessions-pass",
        "        if session is None or not session.usable(now_ms()):\n            return Rights.NONE\n",
        "        if session is None:\n            return Rights.NONE\n",
    ),
    _WATCH.edit(
        "watch-away-allows-all",
        "        if self._away or asyncio.get_running_loop().time() - self._looked > STUCK:\n            return Rights.STOP_ONLY\n",
        "",
    ),
    _WATCH.edit(
        "watch-own-revocations-wait",
        '            if connection.session_id in session_ids:\n                connection.close(4401, "the session has ended")\n',
        "            pass\n",
        "tests/security/test_sessions.py::test_ending_sessions_over_http_closes_their_sockets_and_no_others",
    ),
    _WATCH.edit(
        "watch-expired-pass",
        "(session_id not in found or not found[session_id].usable(now))",
        "session_id not in found",
    ),
    _KEEPING.edit(
        "keeping-never-marks",
        "                tx.runs.mark_compacted(run_id, tx.now)\n",
        "                pass\n",
        "tests/unit/services/test_housekeeping.py",
    ),
    _KEEPING.edit(
        "keeping-trims-at-once",
        "older_than = now_ms() - int(self._settings.retention_days * DAY_MS)",
        "older_than = now_ms()",
        "tests/unit/services/test_housekeeping.py",
    ),
    _KEEPING.edit(
        "keeping-one-defect-ends-it",
        "            except Exception:\n                # What one row",
        "            except ValueError:\n                # What one row",
        "tests/unit/services/test_housekeeping.py",
    ),
    _KEEPING.edit(
        "keeping-sessions-go-at-their-end",
        "Sessions(connection).forget_expired(now - DAY_MS)",
        "Sessions(connection).forget_expired(now + 365 * DAY_MS)",
        "tests/unit/services/test_housekeeping.py",
    ),
    _FOLDER.edit(
        "folder-held-by-two",
        "            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)\n",
        "            pass\n",
        "tests/integration/test_cli_up.py::test_a_folder_that_another_process_holds_names_its_pid",
    ),
    _FOLDER.edit(
        "folder-backup-not-noticed",
        "        renewed = inside not in marks if inside is not None else bool(marks)\n",
        "        renewed = False\n",
    ),
    _FOLDER.edit(
        "folder-mark-without-the-old-one",
        'f"{inside}\\n{self._mark}\\n" if inside is not None else f"{self._mark}\\n"',
        'f"{self._mark}\\n"',
    ),
    _FOLDER.edit(
        "folder-renews-one-log",
        "            for user_id in connection.execute(select(heads.c.user_id)).scalars().all():\n",
        "            for user_id in connection.execute(select(heads.c.user_id)).scalars().all()[:1]:\n",
    ),
    _FOLDER.edit("folder-one-epoch-for-all", "values(epoch=uuid7().hex)", 'values(epoch="0" * 32)'),
)
