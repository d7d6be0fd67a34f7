"""Mutations of the agents' room: what is asked of a model, what is taken from it, and what becomes of a turn."""

from __future__ import annotations

from tests.mutations.mutation import Nearest

_HERE = "tests/unit/agents"
_PIECES = f"{_HERE}/test_tool_call_pieces.py"
_TURN = f"{_HERE}/test_turn.py"
_STOP = f"{_HERE}/test_stop.py"
_FAILURES_TESTS = f"{_HERE}/test_failures.py"
_HISTORY_TESTS = f"{_HERE}/test_history.py"
_FORM_TESTS = f"{_HERE}/test_conversation.py"
_REFUSED = f"{_HERE}/test_refused_parts.py"
_BOUNDS = f"{_HERE}/test_model_bounds.py"
_SERVERS = f"{_HERE}/test_known_servers.py"
_STREAMS = f"{_HERE}/test_openai_stream.py"
_WIRE = f"{_HERE}/test_odd_wire.py"
_CONNECTIONS = f"{_HERE}/test_model_connection.py"
_RETURNED_TESTS = f"{_HERE}/test_returned.py"
_SHOWN = f"{_HERE}/test_shown_model.py"
_TAGS_TESTS = f"{_HERE}/test_thinking_tags.py"
_SSE_TESTS = f"{_HERE}/test_sse.py"
_CALCULATOR_TESTS = f"{_HERE}/test_calculator.py"
_THREADS_TESTS = f"{_HERE}/test_sync_tools.py"
_LOADER_TESTS = f"{_HERE}/test_loader.py"
_OFFLINE = f"{_HERE}/test_offline.py"
_ESCAPES = "tests/integration/test_escapes.py"
_SOURCES = f"{_HERE}/test_sources.py"
_CUT = "tests/integration/test_cut_answers.py"
_ENDINGS = "tests/integration/test_every_ending.py"
_OUTPUTS = "tests/integration/test_structured_output.py"
_BUDGET = "tests/integration/test_history_budget.py"

_CALLS = Nearest("agents/tool_calls.py", _PIECES)
_ANSWER = Nearest("agents/chat_answer.py", _SERVERS, _STREAMS)
_STREAM = Nearest("agents/openai_stream.py", _STREAMS, _BOUNDS)
_SSE = Nearest("agents/sse.py", _SSE_TESTS)
_TAGS = Nearest("agents/thinking_tags.py", _TAGS_TESTS)
_END = Nearest("agents/answer_end.py", _CUT, _SERVERS)
_FORM = Nearest("agents/conversation.py", _FORM_TESTS)
_HISTORY = Nearest("agents/history.py", _HISTORY_TESTS, _FORM_TESTS)
_HOOKS = Nearest("agents/hooks.py", _TURN, _FAILURES_TESTS)
_REFUSALS = Nearest("agents/request_form.py", _REFUSED)
_WORDS = Nearest("agents/server_words.py", _REFUSED, _FAILURES_TESTS)
_FAILURES = Nearest("agents/failures.py", _FAILURES_TESTS)
_WALL = Nearest("agents/containment.py", _ESCAPES)
_THREADS = Nearest("agents/sync_tools.py", _THREADS_TESTS)
_RUNTIME = Nearest("agents/pydantic_ai.py", _TURN, _FAILURES_TESTS)
_RETURNED = Nearest("agents/returned.py", _RETURNED_TESTS)
_CALCULATOR = Nearest("agents/calculator.py", _CALCULATOR_TESTS)
_IDLE = Nearest("agents/idle_watch.py", _FAILURES_TESTS)
_MODEL = Nearest("agents/shown_model.py", _SHOWN, _FAILURES_TESTS)
_TOLD = Nearest("agents/transcript.py", _TURN, _HISTORY_TESTS)
_ALLOWANCE = Nearest("agents/result_allowance.py", _BUDGET)
_SHORT = Nearest("agents/shortening.py", _BUDGET)
_BODY = Nearest("agents/bounded_body.py", _BOUNDS, _WIRE)
_REQUEST = Nearest("agents/openai_request.py", _WIRE, _CONNECTIONS)
_CHAT = Nearest("agents/openai_chat.py", _LOADER_TESTS, _REFUSED)
_DEFERRED = Nearest("agents/deferred.py", _LOADER_TESTS)
_TOOLS = Nearest("agents/tools.py", _OFFLINE)

MUTATIONS = (
    # Tool calls in pieces
    _CALLS.edit(
        "calls-strays-are-taken",
        '                raise UnclearCalls("pieces of several tool calls came without saying which call they belong to")\n',
        "                pass\n",
    ),
    _CALLS.edit(
        "calls-anonymous-arguments-are-taken",
        '                raise UnclearCalls("arguments came without saying which of several tool calls they belong to")\n',
        "                pass\n",
    ),
    _CALLS.edit(
        "calls-ids-that-differ-are-one",
        "        if under is not None and name is None:\n            # A call",
        "        if under is not None:\n            # A call",
    ),
    _CALLS.edit(
        "calls-under-one-id-are-one",
        "                if name is not None and known.index is not None:\n",
        "                if name is not None and known.index is None:\n",
    ),
    _CALLS.edit(
        "calls-id-under-anothers-index",
        "                    if under[-1].identity != identity:\n",
        "                    if under[-1].identity is None:\n",
    ),
    _CALLS.edit(
        "calls-id-of-several-is-the-last-ones",
        "            if index != known.index and sum(call.identity == identity for call in self._calls) > 1:\n",
        "            if index != known.index and not self._calls:\n",
    ),
    _CALLS.edit(
        "calls-cut-in-the-middle-run",
        "            if (cut or call.strays) and not _is_object(arguments):\n",
        "            if call.strays and not _is_object(arguments):\n",
        _PIECES,
        _CUT,
    ),
    _CALLS.edit(
        "calls-without-name-run",
        '            raise UnclearCalls("a tool call came without a tool\'s name")\n',
        '            return ""\n',
    ),
    _CALLS.edit(
        "calls-twice-and-differing-take-the-last",
        '        raise UnclearCalls(f"the arguments for {name} came more than once, and differ")\n',
        "        return pieces[-1]\n",
    ),
    _CALLS.edit(
        "calls-names-read-in-two-ways",
        "        if len(offered) > 1:\n",
        "        if len(offered) > 2:\n",
    ),
    _CALLS.edit(
        "calls-twice-once-without-arguments",
        "        if bare & full:\n",
        "        if bare and bare == full:\n",
    ),
    _CALLS.edit(
        "calls-with-one-id-keep-it",
        "            while identity is not None and identity in taken:\n",
        "            while identity is not None and identity in taken and number > 1:\n",
    ),
    _CALLS.edit(
        "calls-without-bound",
        "        if len(self._calls) >= self._limits.calls:\n",
        "        if len(self._calls) < 0:\n",
    ),
    _CALLS.edit(
        "calls-arguments-without-bound",
        "        if self._characters > self._limits.arguments:\n",
        "        if self._characters < 0:\n",
    ),
    _CALLS.edit(
        "calls-arguments-each-bounded-by-itself",
        "        self._characters += len(arguments)\n",
        "        self._characters = len(arguments)\n",
        _BOUNDS,
    ),
    _CALLS.edit(
        "calls-pieces-of-names-without-bound", "        if len(self.names) < _MOST_NAMES:\n", "        if True:\n"
    ),
    # What an answer says
    _ANSWER.edit(
        "answer-loses-its-end",
        '        end: str = "refusal" if self._refused else self._end\n',
        '        end: str = "stop"\n',
        _CUT,
    ),
    _ANSWER.edit(
        "answer-refused-looks-whole",
        '        end: str = "refusal" if self._refused else self._end\n',
        "        end: str = self._end\n",
        _CUT,
        _SERVERS,
    ),
    _ANSWER.edit(
        "answer-end-that-is-an-error-passes",
        '        if self._end == "error":\n            raise',
        "        if self._end is None:\n            raise",
        _SERVERS,
        _CUT,
    ),
    _ANSWER.edit(
        "answer-error-inside-is-passed-over",
        '    if error := found.get("error"):\n        raise Reported(error)\n',
        "",
        _SERVERS,
        _REFUSED,
    ),
    _ANSWER.edit(
        "answer-cut-calls-are-whole",
        'self._calls.whole(cut=self._end in {"length", "content_filter", "refusal"})',
        "self._calls.whole(cut=False)",
        _PIECES,
        _CUT,
    ),
    _ANSWER.edit(
        "answer-thinking-is-text",
        '                yield Growth("tagged", piece)\n',
        '                yield Growth("content", piece)\n',
    ),
    _ANSWER.edit(
        "answer-fields-of-thinking-are-two",
        '                    Growth("reasoning_content" if field == "reasoning_content" else "reasoning", value)\n                )\n                return\n',
        '                    Growth("reasoning_content" if field == "reasoning_content" else "reasoning", value)\n                )\n',
    ),
    _ANSWER.edit(
        "answer-whole-message-says-all-again",
        "        if not self._spoke:\n            yield from self._take_delta({**message",
        "        if True:\n            yield from self._take_delta({**message",
    ),
    _ANSWER.edit(
        "answer-calls-that-came-twice-are-not-compared",
        '                    raise UnclearCalls("the tool calls came twice, and differ")\n',
        "                    pass\n",
        _PIECES,
        _SERVERS,
    ),
    _ANSWER.edit(
        "answer-counts-add-up",
        'kept[name] = max(kept.get(name) or 0, cast("int", value))',
        'kept[name] = (kept.get(name) or 0) + cast("int", value)',
    ),
    _ANSWER.edit(
        "answer-counts-of-anything",
        "and 0 <= value <= _MOST_TOKENS",
        "and value is not None",
        _BOUNDS,
    ),
    _ANSWER.edit(
        "answer-assumed-thinking-is-all",
        '            yield Growth("content", assumed)\n',
        "            pass\n",
        f"{_TURN}::test_a_model_whose_template_opens_its_thinking",
    ),
    _ANSWER.edit(
        "answer-choices-without-bound", "    if len(listed) > _MOST_CHOICES:\n", "    if len(listed) < 0:\n", _BOUNDS
    ),
    _ANSWER.edit(
        "answer-of-another-choice",
        '            if told.get("index") in (None, 0, "0"):\n                return told\n',
        "            return told\n",
    ),
    _ANSWER.edit(
        "answer-sources-of-any-scheme",
        'not cited.startswith(("https://", "http://")) or',
        "not cited or",
        _SOURCES,
    ),
    _ANSWER.edit(
        "answer-sources-under-a-call",
        "or not self._cites or self._calls:",
        "or not self._cites:",
        _SOURCES,
    ),
    _ANSWER.edit(
        "answer-sources-end-their-links",
        '"".join(" " if sign in "[]<>`\\\\" else sign for sign in title[:200])',
        "title[:200]",
        _SOURCES,
    ),
    _ANSWER.edit("answer-sources-again", "list(dict.fromkeys(self._citations))", "list(self._citations)", _SOURCES),
    _STREAM.edit(
        "reader-response-without-bound",
        "        if self._size > self._limits.response:\n",
        "        if self._size < 0:\n",
        _BOUNDS,
        hangs="the model's server sends without end",
    ),
    _STREAM.edit(
        "reader-shows-nothing-before-an-error",
        "            # What came before it was said all the same.\n            await self._show()\n",
        "",
        _CONNECTIONS,
        _STREAMS,
    ),
    _STREAM.edit(
        "reader-no-answer-is-an-answer",
        "        if not stream.gave_any or (stream.whole and not self._answer.ended):\n",
        "        if not stream.gave_any and self._answer.ended:\n",
        _WIRE,
        _STREAMS,
        _FAILURES_TESTS,
    ),
    _STREAM.edit(
        "reader-goes-on-after-its-end",
        "                        done = True\n                        break\n",
        "                        continue\n",
        _STREAMS,
        _CONNECTIONS,
        hangs="the response is read until the server ends it",
    ),
    _STREAM.edit(
        "reader-left-open-at-a-stop",
        "        await self._body.aclose()\n        if self._reading",
        "        if self._reading",
        _STOP,
        hangs="the test waits for the server to see the end",
    ),
    _SSE.edit(
        "events-without-bound",
        "        if self._size > self._most:\n            raise",
        "        if self._size < 0:\n            raise",
        _SSE_TESTS,
        _BOUNDS,
    ),
    _SSE.edit("events-named-error-are-data", 'self._is_error = value.strip() == b"error"', "self._is_error = False"),
    _SSE.edit(
        "events-half-at-the-end-are-whole",
        "        if self.whole and rest.strip():\n",
        "        if rest.strip():\n",
    ),
    _TAGS.edit(
        "tags-in-code-are-tags",
        "        elif self._fence or self._span:\n            self._say(sign, said)\n",
        "",
    ),
    _TAGS.edit(
        "tags-in-pieces-are-text",
        "        kept = len(text) if last else _kept_back(text)\n",
        "        kept = len(text)\n",
    ),
    _TAGS.edit(
        "tags-closing-alone-is-dropped",
        '                said[:] = [("thinking", part) for _, part in said]\n',
        "                pass\n",
    ),
    _TAGS.edit("tags-without-bound", "            if self.steps > _MOST_STEPS:\n", "            if self.steps < 0:\n"),
    _END.edit(
        "reason-length-is-a-stop",
        '        case "length" | "content_filter":\n',
        '        case "content_filter":\n',
        _CUT,
    ),
    _END.edit(
        "reason-refusal-is-a-stop",
        '        return "refusal"\n    match',
        '        return "stop"\n    match',
        _CUT,
        _SERVERS,
    ),
    # The form of a history
    _FORM.edit(
        "form-user-after-results",
        "        if said and self._results_came_last:\n",
        "        if not said and self._results_came_last:\n",
    ),
    _FORM.edit(
        "form-two-questions-in-a-row",
        "        if isinstance(last, ModelRequest):\n            # Two",
        "        if isinstance(last, ModelRequest) and not said:\n            # Two",
        f"{_FORM_TESTS}::test_what_was_asked_twice_in_a_row_is_one_question",
    ),
    _FORM.edit(
        "form-calls-without-answer",
        "    built.close_calls(())\n    return built.messages\n",
        "    return built.messages\n",
    ),
    _FORM.edit(
        "form-system-in-the-middle",
        "                    if self.messages or said or results:\n",
        "                    if said or results:\n",
    ),
    _FORM.edit(
        "form-ids-that-repeat",
        "        while key in self._ids or not _ID.fullmatch(key):\n",
        "        while not _ID.fullmatch(key):\n",
    ),
    _FORM.edit(
        "form-empty-answer",
        "            parts.append(TextPart(NO_ANSWER))\n",
        "            pass\n",
    ),
    _FORM.edit(
        "form-words-of-tools-where-there-are-none",
        "        return self.offered is not None and not self.offered\n",
        "        return False\n",
    ),
    _FORM.edit(
        "form-several-calls-at-once",
        "        if not isinstance(before, ModelResponse) or len(calls) < 2:\n",
        "        if not isinstance(before, ModelResponse) or len(calls) < 100:\n",
        _FORM_TESTS,
        _HISTORY_TESTS,
    ),
    _HISTORY.edit(
        "history-a-cut-answer-looks-whole",
        "    ending = [TextPart(words) for words in (rest, note) if words.strip()]\n",
        "    ending = [TextPart(words) for words in (rest,) if words.strip()]\n",
    ),
    _HISTORY.edit(
        "history-system-prompt-twice",
        "_OF_ITS_TURN = (SystemPromptPart, InstructionBaselinePart",
        "_OF_ITS_TURN = (InstructionBaselinePart",
    ),
    _HISTORY.edit(
        "history-more-than-was-shown",
        "        parts = _parts_shown(transcript.shown_in(whole), partial)\n",
        "        parts = list(partial.parts)\n",
    ),
    _HISTORY.edit(
        "history-loses-a-tool-that-ended",
        "        _add_missing_returns(kept, tool_returns)\n",
        "        pass\n",
    ),
    _HISTORY.edit(
        "history-without-bound",
        "    return encoded if len(encoded) <= most else None\n",
        "    return encoded\n",
        _BUDGET,
        _HISTORY_TESTS,
    ),
    _HISTORY.edit(
        "history-long-results-again-and-again",
        "                parts.append(short_result(part, tool_chars))\n",
        "                parts.append(part)\n",
        _BUDGET,
        _HISTORY_TESTS,
    ),
    _HISTORY.edit(
        "history-unreadable-fails-the-thread",
        "        except ValidationError as error:\n            _log.warning(",
        "        except ValidationError as error:\n            raise\n            _log.warning(",
    ),
    # Tools
    _HOOKS.edit(
        "tool-starts-before-its-record",
        "        await self.transcript.tool_started(identity, call.tool_name, _parameters(call))\n        try:\n            with contained():\n                result = await handler(args)\n",
        "        try:\n            with contained():\n                result = await handler(args)\n            await self.transcript.tool_started(identity, call.tool_name, _parameters(call))\n",
    ),
    _HOOKS.edit(
        "tool-runs-without-its-arguments",
        "                result = await handler(args)\n",
        "                result = await handler({})\n",
        _TURN,
        _PIECES,
    ),
    _HOOKS.edit(
        "tool-abandoned-looks-cancelled",
        '"unknown" if abandoned else "cancelled"',
        '"cancelled"',
        _STOP,
        _THREADS_TESTS,
    ),
    _HOOKS.edit(
        "tool-that-ended-looks-cancelled",
        '            await self.transcript.tool_finished(identity, "ok", "The run ended before its result was read.")\n',
        '            await self.transcript.tool_finished(identity, "cancelled", None)\n',
        _RETURNED_TESTS,
    ),
    _HOOKS.edit(
        "tool-defect-says-why",
        'return AgentFailure(FailureCode.TOOL_FAILED, f"The tool {call.tool_name} {what}.")',
        'return AgentFailure(FailureCode.TOOL_FAILED, f"The tool {call.tool_name} {what}: {error}")',
        _TURN,
        _RETURNED_TESTS,
    ),
    _HOOKS.edit("tool-ids-twice", "        while identity in self._reported:\n", "        while not identity:\n"),
    _HOOKS.edit(
        "tool-refused-call-is-not-shown",
        '        await self.transcript.tool_finished(identity, "error", _refusal(answer))\n\n    async def after',
        "        pass\n\n    async def after",
    ),
    _HOOKS.edit(
        "retry-after-the-first-token",
        "        if self.ahead.begun or request_context.attempt > self.retries or not worth_repeating(error):\n",
        "        if request_context.attempt > self.retries or not worth_repeating(error):\n",
        f"{_FAILURES_TESTS}::test_what_broke_an_answer_is_told_and_not_that_it_was_asked_for_again",
    ),
    _HOOKS.edit(
        "retry-without-end",
        "        if self.ahead.begun or request_context.attempt > self.retries or not worth_repeating(error):\n",
        "        if self.ahead.begun or not worth_repeating(error):\n",
    ),
    _HOOKS.edit(
        "retry-of-anything",
        "        if self.ahead.begun or request_context.attempt > self.retries or not worth_repeating(error):\n",
        "        if self.ahead.begun or request_context.attempt > self.retries:\n",
    ),
    _HOOKS.edit(
        "retry-waits-as-long-as-asked",
        "        if asked is not None and asked > _LONGEST_WAIT:\n            raise error\n",
        "",
        hangs="the test's server asks for an hour",
    ),
    _HOOKS.edit(
        "retry-at-once",
        "        await asyncio.sleep(max(asked or 0, _BACKOFF * 2 ** (request_context.attempt - 1)))\n",
        "",
        f"{_FAILURES_TESTS}::test_a_server_gets_the_pause_that_it_asks_for_and_longer_ones_each_time",
    ),
    _WALL.edit(
        "escape-from-a-tool",
        "        raise Escaped(raised) from raised\n\n\n@contextmanager",
        "        return\n\n\n@contextmanager",
    ),
    _WALL.edit(
        "escape-from-a-task",
        "        if _inside.get():\n            work = _Contained(work)\n",
        "",
        f"{_HERE}/test_containment.py",
    ),
    _WALL.edit(
        "escape-cancellation-of-its-own",
        "        if isinstance(raised, asyncio.CancelledError) and self._task is not None and self._task.cancelling():\n",
        "        if isinstance(raised, asyncio.CancelledError):\n",
    ),
    _THREADS.edit(
        "threads-without-bound",
        "            if len(self._running) >= self._limit:\n",
        "            if len(self._running) < 0:\n",
    ),
    _THREADS.edit(
        "threads-of-everybody",
        "        threads = self._users.get(user_id)\n",
        '        user_id = "everybody"\n        threads = self._users.get(user_id)\n',
    ),
    _THREADS.edit(
        "threads-keep-the-process",
        'name="netra-sync-tool", daemon=True)',
        'name="netra-sync-tool", daemon=False)',
        "tests/chaos/test_hanging_ends.py",
    ),
    _RETURNED.edit("result-without-bound", "    if length > most_chars:\n", "    if length < 0:\n"),
    _RETURNED.edit("result-odd-is-read-on-the-loop", "    if _is_plain(result):\n", "    if threads:\n"),
    _RETURNED.edit(
        "result-is-asked-for-twice",
        "    return (value if stable else shown), shown\n",
        "    return value, shown\n",
    ),
    # A turn
    _RUNTIME.edit(
        "turn-stop-is-not-handed-on",
        "        self._cancelled = True\n        self._token.cancel()\n",
        "        self._cancelled = True\n",
        _STOP,
        hangs="the test waits for the end",
    ),
    _RUNTIME.edit(
        "turn-without-longest-time",
        "        self._timed_out = True\n        self._token.cancel()\n",
        "        self._timed_out = True\n",
        _FAILURES_TESTS,
        hangs="the run goes on",
    ),
    _RUNTIME.edit(
        "turn-failure-loses-its-history",
        "        failure.history = self._cut_short()\n",
        "",
        _HISTORY_TESTS,
        "tests/integration/test_turn_history.py",
        _ENDINGS,
    ),
    _RUNTIME.edit(
        "turn-loses-its-finish-reason",
        "            finish_reason=end_of_response(result.response),\n",
        "",
        _CUT,
    ),
    _RUNTIME.edit(
        "turn-loses-its-output",
        "            output=output,\n",
        "",
        _OUTPUTS,
    ),
    _RUNTIME.edit(
        "turn-output-beside-text-is-shown-twice",
        "        if not self._transcript.text_in_response:\n            await self._transcript.text(json.dumps",
        "        if output:\n            await self._transcript.text(json.dumps",
        _OUTPUTS,
        _TURN,
    ),
    _RUNTIME.edit(
        "turn-second-answer-follows-the-first",
        "        if self._transcript.text_in_response:\n            raise AgentFailure",
        "        if not self._transcript:\n            raise AgentFailure",
    ),
    _RUNTIME.edit(
        "turn-sinks-error-is-the-agents",
        "            if self._transcript.is_of_sink(error):\n                raise\n",
        "",
        _FAILURES_TESTS,
    ),
    _RUNTIME.edit(
        "turn-escapes",
        "            with contained():\n                return await self._run_agent()\n",
        "            if True:\n                return await self._run_agent()\n",
        f"{_FAILURES_TESTS}::test_what_is_no_exception_costs_the_turn_but_not_what_it_did",
        _ESCAPES,
    ),
    _RUNTIME.edit(
        "turn-requests-without-bound",
        "                request_limit=self._settings.run_request_limit,\n",
        "                request_limit=None,\n",
        _FAILURES_TESTS,
        hangs="the model calls its tool for ever",
    ),
    _RUNTIME.edit(
        "turn-tokens-without-bound",
        "                total_tokens_limit=self._settings.run_token_limit,\n",
        "",
        f"{_FAILURES_TESTS}::test_a_run_has_so_many_tokens",
    ),
    _RUNTIME.edit(
        "turn-stopped-response-costs-nothing",
        "        return usage + under_way.usage + RunUsage(requests=1 if under_way.parts else 0)\n",
        "        return usage\n",
        _SHOWN,
    ),
    _RUNTIME.edit(
        "turn-secret-passes",
        "failure_of(error, begun=begun, secrets=self._settings.model_secrets)",
        "failure_of(error, begun=begun)",
        _REFUSED,
        _FAILURES_TESTS,
    ),
    _IDLE.edit(
        "idle-never",
        "            self.expired = True\n            self._expire()\n",
        "            pass\n",
        hangs="the model is waited for",
    ),
    _IDLE.edit("idle-while-busy", "        self._since = None\n\n    def close", "        pass\n\n    def close"),
    _IDLE.edit("idle-blames-the-model", "        elif self._rounds < ROUNDS:\n", "        elif self._rounds < 0:\n"),
    _MODEL.edit(
        "model-answers-twice",
        "        if self._ahead.begun and not goes_on:\n",
        "        if self._ahead.begun and goes_on:\n",
    ),
    _MODEL.edit(
        "model-no-limit-for-its-first-word",
        "        first = asyncio.timeout(limit)\n",
        "        first = asyncio.timeout(None)\n",
        _FAILURES_TESTS,
        hangs="the model is waited for",
    ),
    _MODEL.edit(
        "model-is-told-out-of-form",
        "            messages = conversation(messages, {tool.name for tool in tools}, ResultAllowance(self._result_limits))\n",
        "            del tools\n",
        _FORM_TESTS,
        _BUDGET,
    ),
    _MODEL.edit(
        "model-has-two-system-messages",
        "            if isinstance(self.wrapped, OpenAIChatModel):\n",
        "            if not self.wrapped:\n",
        _FORM_TESTS,
    ),
    _TOLD.edit(
        "told-two-responses-touch",
        '                self.responses[-1].break_before = "\\n\\n"\n                delta = "\\n\\n" + delta\n',
        "                pass\n",
        _HISTORY_TESTS,
        _TURN,
    ),
    _TOLD.edit(
        "told-names-without-bound",
        "clean_text(tool_name)[:_LONGEST_NAME]",
        "clean_text(tool_name)",
    ),
    _ALLOWANCE.edit(
        "allowance-of-all-results-is-not-used-up",
        "        self._left -= min(len(text), most)\n",
        "",
    ),
    _ALLOWANCE.edit(
        "allowance-of-each-is-not-applied",
        "        most = min(self._each, max(self._left, _AT_LEAST))\n",
        "        most = max(self._left, _AT_LEAST)\n",
    ),
    _SHORT.edit(
        "short-says-nothing-of-what-is-left-out",
        "\\n[… {left_out:,} of {len(text):,} characters are left out here …]\\n",
        "\\n",
    ),
    # Refusals and the server's words
    _REFUSALS.edit(
        "refused-for-ever",
        "if until > now} | self.without",
        "if until > 0} | self.without",
    ),
    _REFUSALS.edit(
        "refused-is-not-remembered",
        "                self._refused[part] = self.clock() + self.memory\n",
        "                pass\n",
    ),
    _REFUSALS.edit(
        "refused-though-it-did-not-help",
        "                found.append(part)\n",
        "                found.append(part)\n                self._refused[part] = self.clock() + self.memory\n",
    ),
    _REFUSALS.edit(
        "refused-by-what-a-user-said",
        "            if _letters(said) not in conversation:\n                return True\n",
        "            return True\n",
    ),
    _REFUSALS.edit(
        "refused-by-a-quotation",
        '                yield _QUOTED.sub("…", words[:2000])\n',
        "                yield words[:2000]\n",
    ),
    _REFUSALS.edit(
        "refused-tools-of-an-agent-that-needs-them",
        'or (part == "tools" and not self.optional_tools)',
        'or (part == "tool" and not self.optional_tools)',
        _REFUSED,
        _LOADER_TESTS,
    ),
    _REFUSALS.edit(
        "refused-by-any-status", "    if error.status_code not in _STATUSES:\n", "    if error.status_code < 0:\n"
    ),
    _REFUSALS.edit(
        "form-headers-of-the-settings-are-lost",
        '        form["extra_headers"] = {**self.headers, **dict(form.get("extra_headers") or {})}\n',
        '        form["extra_headers"] = {**dict(form.get("extra_headers") or {})}\n',
    ),
    _WORDS.edit(
        "words-secrets-that-were-sent",
        '            words = words.replace(form, "…")\n',
        "            pass\n",
    ),
    _WORDS.edit(
        "words-that-look-secret",
        '_SECRETS.sub("…", words)',
        "words",
        _REFUSED,
    ),
    _WORDS.edit(
        "words-secrets-as-they-are-only",
        '        yield from (each, quote(each, safe=""), json.dumps(each)[1:-1], html.escape(each))\n',
        "        yield each\n",
        _REFUSED,
    ),
    _WORDS.edit("words-of-an-address", '_IN_URL.sub(r"\\1…@", ', '_IN_URL.sub(r"\\g<0>", ', _REFUSED),
    _WORDS.edit(
        "words-without-bound",
        '    return words if len(words) <= _MOST else words[: _MOST - 1] + "…"\n',
        "    return words\n",
        f"{_FAILURES_TESTS}::test_of_the_servers_words_a_few_are_shown",
    ),
    _WORDS.edit(
        "words-in-any-depth", "    if depth > _DEEPEST:\n        return None\n", "", _REFUSED, _BOUNDS, _SERVERS
    ),
    _FAILURES.edit(
        "failure-says-nothing-of-the-servers-words",
        "        message += _said(error, secrets)\n",
        "",
        _REFUSED,
    ),
    _FAILURES.edit(
        "failure-timeouts-are-repeated",
        "    if isinstance(error, ModelTimeoutError | ModelRequestTimeout):\n        return False\n",
        "",
    ),
    _BODY.edit(
        "refusal-without-bound",
        "        while len(read) < REFUSAL_BYTES and (piece := await body.read()):\n",
        "        while piece := await body.read():\n",
        _BOUNDS,
        hangs="the server's refusal has no end",
    ),
    _REQUEST.edit(
        "request-refusal-without-bound",
        "            while len(body) < REFUSAL_BYTES and (piece := await reply.body.read()):\n",
        "            while piece := await reply.body.read():\n",
        _BOUNDS,
        hangs="the server's refusal has no end",
    ),
    _REQUEST.edit(
        "request-cookies-of-everybody",
        "    return CookieJar(DefaultCookiePolicy(allowed_domains=[]))\n",
        "    return CookieJar()\n",
        _CONNECTIONS,
    ),
    _CHAT.edit(
        "model-key-of-another-provider",
        '    return "none" if settings.model_base_url is not None else None\n',
        "    return None\n",
    ),
    _CHAT.edit(
        "model-ids-of-mistral",
        '        profile["tool_call_id_length"] = 9\n',
        "        pass\n",
        _FORM_TESTS,
    ),
    _DEFERRED.edit(
        "built-twice",
        "        if self._building is None:\n            self._building = asyncio",
        "        if True:\n            self._building = asyncio",
    ),
    _DEFERRED.edit(
        "build-that-failed-fails-for-ever",
        "        self._building = None\n        if building.cancelled():",
        "        if building.cancelled():",
    ),
    # The calculator, and other tools
    _CALCULATOR.edit(
        "calculator-results-without-bound",
        "            if number.bit_length() > MAX_BITS:\n",
        "            if number.bit_length() < 0:\n",
    ),
    _CALCULATOR.edit(
        "calculator-powers-are-small",
        "    return math.ceil(math.log2(abs(base)) * exponent) + 1 if abs(base) > 1 else 1\n",
        "    return 1\n",
        hangs="a power is worked out that has no end",
    ),
    _CALCULATOR.edit(
        "calculator-factorials-are-small",
        "    return max(_size(number) * _whole(number), 1)\n",
        "    return max(_size(number), 1)\n",
        hangs="a factorial is worked out that has no end",
    ),
    _CALCULATOR.edit(
        "calculator-rounds-to-any-place",
        "    if places > _MAX_PLACES or places < -_MAX_PLACES:\n        return number if places > 0 else 0\n",
        "",
        hangs="a power of ten is worked out that has no end",
    ),
    _CALCULATOR.edit(
        "calculator-expressions-without-bound",
        "    if len(expression) > MAX_CHARS:\n",
        "    if len(expression) < 0:\n",
    ),
    _CALCULATOR.edit(
        "calculator-products-are-small", "lambda left, right: _size(left) + _size(right)", "lambda left, right: 1"
    ),
    _TOOLS.edit("notes-without-bound", ">= _MOST_NOTES:\n", ">= _MOST_NOTES * 1_000:\n"),
    _TOOLS.edit("note-without-bound", "    if len(text) > _LONGEST_NOTE:\n", "    if len(text) < 0:\n"),
)
