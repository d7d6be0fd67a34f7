"""Mutations of sockets: replay and live, the manager, and the endpoint."""

from __future__ import annotations

from tests.mutations.mutation import Nearest

_UNIT = "tests/unit/websocket_core"
_FRAMES = "tests/security/test_bad_frames.py"
_SESSIONS = "tests/security/test_sessions.py"
_WRONG = f"{_FRAMES}::test_every_wrong_frame_is_explained_and_leaves_no_trace"
_LOGGING_IN = f"{_SESSIONS}::test_before_log_in_a_socket_can_do_nothing_but_log_in"
_ANSWERS = "tests/integration/test_socket_answers.py"
_1094 = "tests/unit/issue_1094"

_CONNECTION = Nearest("websocket_core/connection.py", f"{_UNIT}/test_connection.py")
_MANAGER = Nearest("websocket_core/websocket_manager.py", f"{_UNIT}/test_websocket_manager.py")
_OLD = Nearest("websocket_core/canonical_imports.py", f"{_1094}/test_async_await_interface_validation.py")
_ROUTE = Nearest("routes/websocket.py", _WRONG)
_WAKEUPS = Nearest("event_log/wakeups.py", "tests/unit/event_log/test_wakeups.py")

MUTATIONS = (
    _CONNECTION.edit(
        "socket-takes-what-does-not-tile",
        "        if offers[0].first != self.tail + 1 or self._queued + size > self._queue_bytes:\n",
        "        if self._queued + size > self._queue_bytes:\n",
    ),
    _CONNECTION.edit("socket-queue-without-bound", " or self._queued + size > self._queue_bytes:\n", ":\n"),
    _CONNECTION.edit(
        "socket-queue-counts-nothing",
        "            self._queue.extend(offers)\n            self._queued += size\n",
        "            self._queue.extend(offers)\n",
    ),
    _CONNECTION.edit("socket-queue-never-shrinks", "                    self._queued -= len(offer.text)\n", ""),
    _CONNECTION.edit(
        "socket-takes-events-twice",
        "        if self.state is not ConnectionState.LIVE or offers[-1].seq <= self.tail:\n            return\n",
        "        if self.state is not ConnectionState.LIVE:\n            return\n",
    ),
    _CONNECTION.edit(
        "socket-takes-while-replaying",
        "        if self.state is not ConnectionState.LIVE or offers[-1].seq <= self.tail:\n",
        "        if offers[-1].seq <= self.tail:\n",
    ),
    _CONNECTION.edit("socket-offers-are-not-noted", "        self.note(offers[-1].seq)\n", ""),
    _CONNECTION.edit(
        "socket-notes-go-back", "        self._noted = max(self._noted, seq)\n", "        self._noted = seq\n"
    ),
    _CONNECTION.edit(
        "socket-dropped-queue-is-sent",
        "            self._queue.clear()\n            self._queued = 0\n            self._step(ConnectionState.REPLAYING)\n        else:",
        "            self._queued = 0\n            self._step(ConnectionState.REPLAYING)\n        else:",
    ),
    _CONNECTION.edit(
        "socket-live-too-early",
        "if self.state is ConnectionState.REPLAYING and self._cursor.seq >= self._noted:",
        "if self.state is ConnectionState.REPLAYING:",
    ),
    _CONNECTION.edit(
        "socket-never-live",
        "self._cursor.seq >= self._noted:\n            self._step(ConnectionState.LIVE)",
        "self._cursor.seq > self._noted:\n            self._step(ConnectionState.LIVE)",
    ),
    _CONNECTION.edit(
        "socket-page-head-not-noted",
        "        self.note(page.head)\n",
        "",
    ),
    _CONNECTION.edit(
        "socket-cursor-after-the-await",
        "                    self._cursor = Cursor(self._cursor.epoch, offer.seq)\n                    await self._send(offer.text)\n",
        "                    await self._send(offer.text)\n                    self._cursor = Cursor(self._cursor.epoch, offer.seq)\n",
    ),
    _CONNECTION.edit(
        "socket-replay-moves-no-cursor",
        "            self._cursor = Cursor(event.epoch, event.seq)\n            await self._send(encode_event(event))\n",
        "            await self._send(encode_event(event))\n",
        hangs="the page is read again for ever",
    ),
    _CONNECTION.edit(
        "socket-cursor-by-first-number",
        "            self._cursor = Cursor(event.epoch, event.seq)\n",
        "            self._cursor = Cursor(event.epoch, event.first)\n",
    ),
    _CONNECTION.edit("socket-gap-is-silent", "            await self._send(encode_socket_frame(page))\n", ""),
    _CONNECTION.edit(
        "socket-gap-again-and-again",
        "            self._cursor = Cursor(page.epoch, page.to_seq)\n            await",
        "            await",
        hangs="the gap is read again for ever",
    ),
    _CONNECTION.edit(
        "socket-gap-skips-one",
        "            self._cursor = Cursor(page.epoch, page.to_seq)\n            await",
        "            self._cursor = Cursor(page.epoch, page.to_seq + 1)\n            await",
    ),
    _CONNECTION.edit(
        "socket-answers-wait-for-the-replay",
        "            if self._replies or self._close is not None:\n                # What",
        "            if self._close is not None:\n                # What",
    ),
    _CONNECTION.edit(
        "socket-close-waits-for-the-replay",
        "            if self._replies or self._close is not None:\n                # What",
        "            if self._replies:\n                # What",
    ),
    _CONNECTION.edit(
        "socket-log-away-kills-it",
        "        except LogUnavailable:\n            await self._pause(RETRY)\n            return\n",
        "        except LogUnavailable:\n            raise\n",
    ),
    _CONNECTION.edit(
        "socket-replies-without-bound",
        "        while not self.has_room and self.state is not ConnectionState.CLOSED:\n",
        "        while False:\n",
    ),
    _CONNECTION.edit(
        "socket-waiting-answers-outlive-it",
        "            self._make_room()\n            self.closed.set()\n",
        "            self.closed.set()\n",
        hangs="an answer waits on a closed socket",
    ),
    _CONNECTION.edit(
        "socket-stands-still-for-ever",
        "        async with asyncio.timeout(self._stall_timeout):\n",
        "        async with asyncio.timeout(None):\n",
    ),
    _CONNECTION.edit(
        "socket-stalled-peer-is-not-cut", "        if code == 4408:\n            self._transport.abort()\n", ""
    ),
    _CONNECTION.edit(
        "socket-goodbye-without-cursor",
        "ServerDraining(epoch=self._cursor.epoch, seq=self._cursor.seq)",
        "ServerDraining(epoch=self._cursor.epoch, seq=0)",
    ),
    _CONNECTION.edit(
        "socket-goodbye-names-what-waits",
        "ServerDraining(epoch=self._cursor.epoch, seq=self._cursor.seq)",
        "ServerDraining(epoch=self._cursor.epoch, seq=self.tail)",
    ),
    _CONNECTION.edit(
        "socket-drain-closes-normally",
        'self.close(1012, "the server restarts")',
        'self.close(1000, "the server restarts")',
    ),
    _CONNECTION.edit(
        "socket-resumes-twice",
        "        if self.state is not ConnectionState.AUTHENTICATED:\n            raise Illegal",
        "        if self.state is ConnectionState.LIVE:\n            return\n        if self.state is not ConnectionState.AUTHENTICATED:\n            raise Illegal",
    ),
    _CONNECTION.edit(
        "socket-resumes-after-its-end",
        "        if self.state in _ENDS:\n            return\n        if self.state is not",
        "        if self.state is not",
    ),
    _CONNECTION.edit(
        "socket-catches-nothing-up",
        "        if self.state is ConnectionState.LIVE and self.tail < self._noted:\n",
        "        if self.state is ConnectionState.LIVE and self.tail < self._noted - 1:\n",
    ),
    _CONNECTION.edit(
        "socket-first-close-loses",
        "        if self._close is None and self.state is not ConnectionState.CLOSED:\n",
        "        if self.state is not ConnectionState.CLOSED:\n",
    ),
    _CONNECTION.edit(
        "socket-answers-overtake-each-other",
        "await self._send(self._replies.pop(0))",
        "await self._send(self._replies.pop())",
    ),
    # The manager
    _MANAGER.edit("manager-for-any-user", "        if user_id != self.user_id:\n", "        if not user_id:\n"),
    _MANAGER.edit("manager-new-each-time", "        _registry.managers[user_context.user_id] = manager\n", ""),
    _MANAGER.edit(
        "manager-shared",
        "    manager = _registry.managers.get(user_context.user_id)\n",
        "    manager = next(iter(_registry.managers.values()), None)\n",
    ),
    _MANAGER.edit(
        "manager-takes-any-context",
        "    if not isinstance(user_context, UserExecutionContext):\n        raise TypeError",
        "    if user_context is None:\n        raise TypeError",
    ),
    _MANAGER.edit(
        "manager-sockets-without-limit",
        "        if len(self._connections) >= limit:\n",
        "        if len(self._connections) > limit + 1_000:\n",
    ),
    _MANAGER.edit(
        "manager-one-socket-more",
        "        if len(self._connections) >= limit:\n",
        "        if len(self._connections) > limit:\n",
    ),
    _MANAGER.edit("manager-attaches-anybodys-socket", "        self._check(connection.user_id)\n", ""),
    _MANAGER.edit("manager-appends-for-anybody", "        self._check(append.user_id)\n", ""),
    _MANAGER.edit(
        "manager-tells-the-first-socket-only",
        "        for connection in self._connections.values():\n            connection.offer(offers)\n",
        "        for connection in list(self._connections.values())[:1]:\n            connection.offer(offers)\n",
    ),
    _MANAGER.edit(
        "manager-says-all-were-told",
        "tuple(socket.id for socket in self.connections if socket.tail >= seq)",
        "tuple(socket.id for socket in self.connections)",
    ),
    _MANAGER.edit(
        "manager-broadcasts-without-bound",
        "told = [connection for connection in self.connections if connection.has_room]",
        "told = list(self.connections)",
    ),
    _MANAGER.edit(
        "manager-log-bound-twice",
        "    if _registry.log is not None:\n        raise LogAlreadyBound",
        "    if _registry.log is log:\n        raise LogAlreadyBound",
    ),
    _MANAGER.edit(
        "manager-log-stays-bound", "        unlisten()\n        _registry.log = None\n", "        unlisten()\n"
    ),
    _MANAGER.edit(
        "manager-unbound-is-silent",
        "        if self.log is None:\n            raise LogNotBound",
        "        if False:\n            raise LogNotBound",
    ),
    _MANAGER.edit(
        "manager-detached-sockets-stay",
        "        self._connections.pop(connection.id, None)\n",
        "        pass\n",
    ),
    _OLD.edit("old-factory-warns-nobody", "    warnings.warn(\n", "    str(\n"),
    _OLD.edit("old-factory-is-async", "def create_websocket_manager(", "async def create_websocket_manager("),
    _OLD.edit(
        "old-factory-takes-anything",
        "    if not isinstance(user_context, UserExecutionContext):\n",
        "    if user_context is None:\n",
    ),
    _WAKEUPS.edit(
        "wakeups-tell-one-listener",
        "            for listener in self._listeners:\n",
        "            for listener in self._listeners[:1]:\n",
    ),
    _WAKEUPS.edit(
        "wakeups-go-on-after-their-end",
        "return lambda: self._listeners.remove(listener)",
        "return lambda: None",
    ),
    # The endpoint
    _ROUTE.edit(
        "route-foreign-page-may-connect",
        "    except ForbiddenOrigin as error:\n",
        "    except ZeroDivisionError as error:\n",
        f"{_SESSIONS}::test_only_our_own_page_may_open_a_socket_with_the_cookie",
    ),
    _ROUTE.edit(
        "route-no-rights-answered-all-the-same",
        "            case Rights.NONE:\n",
        "            case Rights.NONE if isinstance(frame, Resume):\n",
        f"{_SESSIONS}::test_rights_are_checked_on_the_frame_itself",
    ),
    _ROUTE.edit(
        "route-uncertain-rights-allow-all",
        "            case Rights.STOP_ONLY if not isinstance(frame, StopAgent | Ping):\n",
        "            case Rights.STOP_ONLY if isinstance(frame, Authenticate):\n",
        "tests/unit/services/test_socket_watch.py",
    ),
    _ROUTE.edit(
        "route-resumes-twice",
        "        except IllegalConnectionStep:\n            raise InvalidFrame(",
        "        except ZeroDivisionError:\n            raise InvalidFrame(",
        f"{_FRAMES}::test_events_flow_only_after_resume_and_resume_works_once",
        _ANSWERS,
    ),
    _ROUTE.edit(
        "route-half-a-cursor",
        "        if (epoch is None) != (seq is None):\n",
        "        if epoch is None and seq is not None and seq < 0:\n",
        _WRONG,
    ),
    _ROUTE.edit(
        "route-resumes-from-the-start",
        "cursor = Cursor(epoch, seq) if epoch is not None and seq is not None else head",
        "cursor = Cursor(epoch, seq) if epoch is not None and seq is not None else Cursor(head.epoch, 0)",
        f"{_FRAMES}::test_a_resume_without_a_cursor_tells_what_comes_from_now_on",
    ),
    _ROUTE.edit(
        "route-authenticates-twice",
        '            case Authenticate():\n                raise InvalidFrame("this socket is authenticated", field="type")',
        "            case Authenticate():\n                await self._connection.reply(Ack(), frame.id)",
        _LOGGING_IN,
    ),
    _ROUTE.edit(
        "route-binary-frames-pass",
        "    if text is None:\n        raise BinaryFrame\n",
        '    if text is None:\n        text = (message.get("bytes") or b"").decode()\n',
        f"{_FRAMES}::test_a_binary_frame_closes_with_1003",
    ),
    _ROUTE.edit(
        "route-first-frame-any-time",
        "        async with asyncio.timeout(serving.settings.authentication_timeout):\n",
        "        async with asyncio.timeout(None):\n",
        f"{_SESSIONS}::test_who_does_not_log_in_in_time_is_closed",
        hangs="that is the defect",
    ),
    _ROUTE.edit(
        "route-first-frame-any-type",
        "                    if not isinstance(frame, Authenticate):\n                        raise FrameError",
        "                    if isinstance(frame, StopAgent):\n                        raise FrameError",
        _LOGGING_IN,
    ),
    _ROUTE.edit(
        "route-both-ticket-and-token",
        "        if token is not None and ticket is None:\n",
        "        if token is not None:\n",
        _LOGGING_IN,
    ),
    _ROUTE.edit(
        "route-ticket-for-any-page",
        'redeem_ticket(ticket, websocket.headers.get("origin"))',
        "redeem_ticket(ticket, None)",
        f"{_SESSIONS}::test_a_ticket_opens_one_socket_of_the_page_it_was_made_for",
    ),
    _ROUTE.edit(
        "route-frame-error-without-reply-to",
        "            await self._connection.reply(answer, error.reply_to)\n        except Refusal",
        "            await self._connection.reply(answer)\n        except Refusal",
        _WRONG,
    ),
    _ROUTE.edit(
        "route-defect-ends-the-socket",
        "        except Exception:\n            # A defect in answering",
        "        except ZeroDivisionError:\n            # A defect in answering",
        _ANSWERS,
    ),
    _ROUTE.edit(
        "route-defect-shows-its-text",
        'message=f"the server failed on this frame (reference {reference})"',
        "message=traceback.format_exc()",
        _ANSWERS,
    ),
    _ROUTE.edit(
        "route-acks-before-the-commit",
        "        started = await self._serving.agents.start_agent(\n            self._context.child(),",
        "        await self._connection.reply(Ack(), frame.id)\n        started = await self._serving.agents.start_agent(\n            self._context.child(),",
        _WRONG,
    ),
    _ROUTE.edit(
        "route-acks-the-stop-before-the-commit",
        "        report = await self._serving.agents.stop_agent(",
        "        await self._connection.reply(Ack(runs=[]), frame.id)\n        report = await self._serving.agents.stop_agent(",
        "tests/integration/test_stop_outcomes.py",
    ),
    _ROUTE.edit(
        "route-stops-all-instead-of-one",
        "            wanted.run_id,\n            wanted.thread_id,\n",
        "            None,\n            wanted.thread_id,\n",
        "tests/integration/test_stop_scope.py",
    ),
    _ROUTE.edit(
        "route-unanswered-without-bound",
        "            if len(self._answering) >= MAX_UNANSWERED:\n",
        "            if len(self._answering) >= MAX_UNANSWERED * 1_000:\n",
        _ANSWERS,
    ),
    _ROUTE.edit(
        "route-detaches-nothing",
        "            manager.detach(self._connection)\n            pump.cancel()\n",
        "            pump.cancel()\n",
        f"{_SESSIONS}::test_one_socket_too_many_is_closed_and_the_others_are_not",
    ),
)
