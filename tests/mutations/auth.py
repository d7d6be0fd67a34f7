"""Mutations of log-in, of the doors that connections come through, and of whom a request is believed to be."""

from __future__ import annotations

from tests.mutations.mutation import Nearest

_UNIT = "tests/unit/auth"
_AUTHENTICATOR_TESTS = "tests/unit/auth/test_authenticator.py"
_REGISTRY_TESTS = "tests/unit/auth/test_session_registry.py"
_SIGN_IN_TESTS = "tests/unit/auth/test_sign_in.py"
_ATTEMPTS_TESTS = "tests/unit/auth/test_attempts.py"
_PASSWORDS_TESTS = "tests/unit/auth/test_passwords.py"
_ROUTES_TESTS = "tests/unit/auth/test_auth_routes.py"
_SESSIONS_TESTS = "tests/security/test_sessions.py"
_BOUNDS = "tests/security/test_connection_bounds.py"
_CROWD_TESTS = "tests/unit/doors/test_crowd.py"
_WHO = "tests/security/test_who_asks.py"
_MANY = "tests/security/test_many_requests.py"
_PROXIES = "tests/unit/test_client_address.py"
_FRONT = "tests/security/test_front_door.py"
_CONTEXT_TESTS = "tests/security/test_execution_context.py"

_AUTHENTICATOR = Nearest("auth/authenticator.py", _AUTHENTICATOR_TESTS)
_REGISTRY = Nearest("auth/session_registry.py", _REGISTRY_TESTS)
_SIGN_IN = Nearest("auth/sign_in.py", _SIGN_IN_TESTS)
_ATTEMPTS = Nearest("auth/attempts.py", _ATTEMPTS_TESTS, _SIGN_IN_TESTS)
_PASSWORDS = Nearest("auth/passwords.py", _PASSWORDS_TESTS)
_TURNS = Nearest("auth/turns.py", _ATTEMPTS_TESTS)
_TICKETS = Nearest("auth/tickets.py", _AUTHENTICATOR_TESTS)
_RATE = Nearest("rate_limit.py", "tests/unit/auth/test_rate_limit.py", _ATTEMPTS_TESTS)
_DEVICES = Nearest("storage/known_devices.py", _SIGN_IN_TESTS)
_AUTH_ROUTES = Nearest("routes/auth.py", _ROUTES_TESTS)
_ACCESS = Nearest("routes/dependencies.py", _ROUTES_TESTS, _WHO, _MANY)
_BODY = Nearest("routes/body_limit.py", _WHO, "tests/unit/auth/test_problems.py")
_DOOR = Nearest("routes/front_door.py", _FRONT)
_NAMES = Nearest("own_names.py", _FRONT, _AUTHENTICATOR_TESTS)
_LOOPBACK = Nearest("loopback.py", _FRONT)
_ADDRESS = Nearest("client_address.py", _PROXIES)
_SETTINGS = Nearest("settings.py", _PROXIES, _FRONT)
_VISIT = Nearest("doors/visit.py", _CROWD_TESTS, _BOUNDS)
_CROWD = Nearest("doors/crowd.py", _CROWD_TESTS)
_HTTP = Nearest("doors/http.py", _BOUNDS)
_TRANSPORT = Nearest("doors/transport.py", _BOUNDS)
_SOCKET = Nearest("doors/websocket.py", _BOUNDS, _SESSIONS_TESTS)
_CONTEXT = Nearest("services/user_execution_context.py", _CONTEXT_TESTS)

MUTATIONS = (
    # Whose cookie, bearer or ticket it is
    _AUTHENTICATOR.edit(
        "origin-not-asked-over-http",
        'if connection.scope.get("method") not in _SAFE_METHODS and not self._same_origin(connection):',
        'if connection.scope.get("method") == "BREW" and not self._same_origin(connection):',
    ),
    _AUTHENTICATOR.edit(
        "origin-not-asked-of-deletions",
        '_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})',
        '_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS", "TRACE", "DELETE"})',
    ),
    _AUTHENTICATOR.edit(
        "origin-not-asked-of-sockets",
        'if not self._is_ours(websocket, websocket.headers.get("origin")):',
        'if not self._is_ours(websocket, websocket.headers.get("origin")) and not token:',
    ),
    _AUTHENTICATOR.edit(
        "origin-absent-is-ours",
        "        if origin is None:\n            return False\n        own",
        "        if origin is None:\n            return True\n        own",
    ),
    _AUTHENTICATOR.edit(
        "origin-same-site-will-do",
        'if connection.headers.get("sec-fetch-site") == "same-origin":',
        'if connection.headers.get("sec-fetch-site") in {"same-origin", "same-site"}:',
    ),
    _AUTHENTICATOR.edit(
        "origin-of-a-name-that-is-not-ours",
        "            if host is None or not self._names.include(host, local[0] if local else None):\n                return False\n",
        "",
    ),
    _AUTHENTICATOR.edit(
        "origin-opaque-is-ours",
        "return own != OPAQUE and origin_of(origin) == own",
        "return origin_of(origin) in {own, OPAQUE}",
    ),
    _AUTHENTICATOR.edit(
        "origin-without-its-port",
        '    return f"{parts.scheme}://{host}:{port}"\n',
        '    return f"{parts.scheme}://{host}"\n',
    ),
    _AUTHENTICATOR.edit(
        "origin-host-instead-of-public-address",
        "        own = self._public_origin\n        if own is None:",
        "        own = None\n        if own is None:",
    ),
    _AUTHENTICATOR.edit(
        "origin-not-asked-at-sign-in",
        'if connection.headers.get("origin") is not None and not self._same_origin(connection):',
        'if connection.headers.get("origin") == "" and not self._same_origin(connection):',
        _ROUTES_TESTS,
    ),
    _AUTHENTICATOR.edit(
        "bearer-that-is-bad-is-no-matter",
        '        raise NotAuthenticated("the Authorization header must say: Bearer TOKEN")',
        "        return None",
    ),
    _AUTHENTICATOR.edit(
        "cookie-readable-by-scripts",
        'httponly=True, samesite="lax"\n            )',
        'samesite="lax"\n            )',
        _ROUTES_TESTS,
    ),
    _AUTHENTICATOR.edit(
        "cookie-travels-readable",
        '    return settings.public_url is not None and settings.public_url.startswith("https:")',
        "    return False",
        _ROUTES_TESTS,
    ),
    _AUTHENTICATOR.edit(
        "ticket-for-any-page",
        "if found is not None and found.origin == opener:",
        "if found is not None:",
    ),
    _AUTHENTICATOR.edit(
        "ticket-for-a-program-from-any-page",
        "if found is not None and found.origin == opener:",
        "if found is not None and found.origin in {None, opener}:",
    ),
    _AUTHENTICATOR.edit(
        "ticket-outlives-its-session",
        '        if session is None or not session.usable(now_ms()):\n            raise NotAuthenticated("this ticket',
        '        if session is None:\n            raise NotAuthenticated("this ticket',
    ),
    _AUTHENTICATOR.edit(
        "ticket-of-a-sandboxed-page",
        "        if bound == OPAQUE:\n",
        '        if bound == "":\n',
    ),
    _TICKETS.edit("ticket-works-twice", "user_id = self._owners.pop(key, None)", "user_id = self._owners.get(key)"),
    _TICKETS.edit(
        "ticket-after-its-time",
        "return ticket if ticket is not None and self._clock() < ticket.until else None",
        "return ticket",
    ),
    _TICKETS.edit("tickets-without-bound", "        if len(own) >= PER_USER:\n", "        if len(own) < 0:\n"),
    _TICKETS.edit(
        "tickets-expired-are-kept",
        "        self._forget_expired(now)\n        own",
        "        own",
    ),
    # Sessions as the server sees them
    _REGISTRY.edit(
        "registry-unusable-passes",
        "if known is None or not known.session.usable(now_ms()):",
        "if known is None:",
    ),
    _REGISTRY.edit(
        "registry-never-looks-again",
        "if known is None or self._clock() - known.read_at >= FRESH:",
        "if known is None:",
    ),
    _REGISTRY.edit(
        "registry-looks-at-every-request",
        "if known is None or self._clock() - known.read_at >= FRESH:",
        "if known is None or self._clock() - known.read_at >= 0:",
    ),
    _REGISTRY.edit(
        "registry-uncertain-looks-certain", "                stale = True\n", "                stale = False\n"
    ),
    _REGISTRY.edit(
        "registry-overtaken-read-is-kept",
        "            if revocations == self._revocations:\n                break\n",
        "            break\n",
    ),
    _REGISTRY.edit(
        "registry-remembers-the-revoked",
        "            self._forget(ended)\n            for listener",
        "            for listener",
    ),
    _REGISTRY.edit(
        "registry-tells-nobody",
        "                listener(ended)\n",
        "                pass\n",
    ),
    _REGISTRY.edit(
        "registry-remembers-what-was-seen-to-end",
        "            self._forget(set(wanted) - usable.keys())\n",
        "            pass\n",
    ),
    _REGISTRY.edit(
        "registry-without-bound", "        if len(self._known) > KEPT:\n", "        if len(self._known) < 0:\n"
    ),
    _REGISTRY.edit("registry-forgets-the-latest", "self._known.popitem(last=False)", "self._known.popitem(last=True)"),
    _REGISTRY.edit(
        "registry-sessions-for-ever",
        "Sessions(connection).create(user_id, label, now, now + self._lifetime_ms)",
        "Sessions(connection).create(user_id, label, now, now + 100 * self._lifetime_ms)",
        _REGISTRY_TESTS,
        _ROUTES_TESTS,
    ),
    # Signing in
    _SIGN_IN.edit(
        "sign-in-with-any-password",
        "        if user is None or not verdict.correct:\n",
        "        if user is None:\n",
    ),
    _SIGN_IN.edit(
        "sign-in-when-disabled",
        "if now is None or now.disabled_at is not None or now.password_hash != user.password_hash:",
        "if now is None or now.password_hash != user.password_hash:",
    ),
    _SIGN_IN.edit(
        "sign-in-with-a-password-that-was-changed",
        "if now is None or now.disabled_at is not None or now.password_hash != user.password_hash:",
        "if now is None or now.disabled_at is not None:",
    ),
    _SIGN_IN.edit(
        "sign-in-unknown-account-is-faster",
        "        verdict = await self._passwords.verify(user.password_hash if user else None, password, rank=rank)\n",
        "        if user is None:\n"
        '            raise NotAuthenticated("the e-mail address or the password is wrong")\n'
        "        verdict = await self._passwords.verify(user.password_hash, password, rank=rank)\n",
    ),
    _SIGN_IN.edit(
        "sign-in-disabled-says-so",
        '        if started is None:\n            raise NotAuthenticated("the e-mail address or the password is wrong")\n',
        '        if started is None:\n            raise NotAuthenticated("this account is disabled")\n',
    ),
    _SIGN_IN.edit(
        "sign-in-hash-is-not-renewed",
        "            if verdict.replacement is not None:\n",
        "            if verdict.replacement == password:\n",
    ),
    _SIGN_IN.edit(
        "sign-in-without-limit",
        "            rank = await self._attempts.stranger(email, address)\n",
        "            rank = KNOWN + 1\n",
    ),
    _SIGN_IN.edit(
        "sign-in-device-is-no-matter",
        "        if device is None or not await self._is_known(email, device):\n",
        "        if device is None or not await self._is_known(email, device) or device:\n",
    ),
    _SIGN_IN.edit(
        "sign-in-device-of-another-account",
        "return user.id if user is not None and known else None",
        "return user.id if user is not None else None",
    ),
    _SIGN_IN.edit(
        "sign-in-device-without-limit",
        "return user_id is not None and self._attempts.device(user_id, device)",
        "return user_id is not None",
    ),
    _SIGN_IN.edit(
        "auth-code-for-a-disabled-account",
        "            if user is None or user.disabled_at is not None:\n",
        "            if user is None:\n",
    ),
    _SIGN_IN.edit(
        "auth-code-guesses-are-work-for-the-writer",
        '        if not await self._log.query(lambda connection: OneTimeCodes(connection).exists("sign_in", code)):\n',
        "        if not code:\n",
    ),
    _SIGN_IN.edit(
        "password-changed-without-the-current-one",
        "            if not verdict.correct:\n                raise WrongPassword",
        "            if not verdict.correct and not current:\n                raise WrongPassword",
        _ROUTES_TESTS,
        _SIGN_IN_TESTS,
    ),
    _SIGN_IN.edit(
        "password-changed-by-two",
        "            if now is None or now.password_hash != user.password_hash:\n",
        "            if now is None:\n",
        _SIGN_IN_TESTS,
        _ROUTES_TESTS,
    ),
    _SIGN_IN.edit(
        "password-changed-leaves-devices",
        "            KnownDevices(connection).forget(user.id, keep=device)\n            return Sessions",
        "            return Sessions",
        _SIGN_IN_TESTS,
        _ROUTES_TESTS,
    ),
    _SIGN_IN.edit(
        "password-changed-leaves-sessions",
        "            return Sessions(connection).revoke_all(user.id, now_ms(), keep=access.session.id)\n",
        "            return set()\n",
        _ROUTES_TESTS,
    ),
    _SIGN_IN.edit(
        "password-change-without-limit",
        "        self._attempts.signed_in(access.session.id)\n        user = await self._user(access)\n        if user.password_hash is not None:\n            verdict",
        "        user = await self._user(access)\n        if user.password_hash is not None:\n            verdict",
        _SIGN_IN_TESTS,
        _ROUTES_TESTS,
    ),
    _SIGN_IN.edit(
        "confirm-without-limit",
        "        self._attempts.signed_in(access.session.id)\n        user = await self._user(access)\n        if user.password_hash is None:\n",
        "        user = await self._user(access)\n        if user.password_hash is None:\n",
        _SIGN_IN_TESTS,
        "tests/integration/test_account.py",
    ),
    _SIGN_IN.edit(
        "confirm-by-an-old-sign-in",
        "            if now_ms() - access.session.created_at > RECENT_MS:\n",
        "            if now_ms() < access.session.created_at:\n",
        "tests/integration/test_account.py",
    ),
    _SIGN_IN.edit(
        "confirm-with-any-password",
        '        elif not (await self._passwords.verify(user.password_hash, password or "")).correct:\n',
        "        elif not password:\n",
        "tests/integration/test_account.py",
    ),
    _SIGN_IN.edit(
        "auth-code-lives-for-ever",
        "now_ms() + int(settings.sign_in_code_minutes * 60_000)",
        "now_ms() + int(settings.sign_in_code_minutes * 60_000_000)",
    ),
    _PASSWORDS.edit(
        "password-no-account-checks-nothing",
        "        try:\n            self._hasher.verify(stored or self._dummy, secret)\n",
        "        if stored is None:\n            return Verdict(correct=False)\n        try:\n            self._hasher.verify(stored, secret)\n",
    ),
    _PASSWORDS.edit(
        "password-dummy-matches",
        "        if stored is None:\n            return Verdict(correct=False)\n        if self._hasher",
        "        if stored is None:\n            return Verdict(correct=True)\n        if self._hasher",
    ),
    _PASSWORDS.edit(
        "password-replacement-of-a-wrong-one",
        "        except VerifyMismatchError:\n            return Verdict(correct=False)\n",
        "        except VerifyMismatchError:\n            return Verdict(correct=False, replacement=self._hasher.hash(secret))\n",
    ),
    _PASSWORDS.edit("password-too-short", "    if len(password) < MIN_LENGTH:\n", "    if not password:\n"),
    _PASSWORDS.edit("password-too-long", "    if len(password) > MAX_LENGTH:\n", "    if len(password) < 0:\n"),
    _PASSWORDS.edit("password-cheap-hash", "ITERATIONS = 2\n", "ITERATIONS = 1\n"),
    _PASSWORDS.edit(
        "password-checks-without-turns", "            async with self._turns.turn(rank):\n", "            if True:\n"
    ),
    # How often
    _ATTEMPTS.edit(
        "attempts-pair-without-limit", "        if wait := self._pairs.wait(pair):\n", "        if wait := 0:\n"
    ),
    _ATTEMPTS.edit("attempts-of-the-account-alone", 'pair = f"{account} {network}"', "pair = account"),
    _ATTEMPTS.edit("attempts-of-the-network-alone", 'pair = f"{account} {network}"', "pair = network"),
    _ATTEMPTS.edit(
        "attempts-newcomers-wait-with-guessers",
        "_wait(self._at_account if asked else self._first_at_account, account)",
        "_wait(self._at_account, account)",
    ),
    _ATTEMPTS.edit(
        "attempts-refused-are-newcomers",
        "        self._networks.take(network)\n        # Refused",
        "        # Refused",
    ),
    _ATTEMPTS.edit(
        "attempts-many-networks-are-not-slowed",
        "        if any(waits):\n            await self._stand_in_line(rank, max(waits))\n",
        "",
    ),
    _ATTEMPTS.edit(
        "attempts-repeated-use-up-the-network",
        "f\"{network} {'again' if self._pairs.taken(pair) else 'first'}\"",
        "network",
    ),
    _ATTEMPTS.edit(
        "attempts-guessers-are-no-later",
        "        rank = KNOWN + 1 + asked\n",
        "        rank = KNOWN + 1\n",
    ),
    _ATTEMPTS.edit(
        "attempts-device-of-any-account",
        'self._devices.take(f"{user_id} {hash_secret(mark).hex()}")',
        "self._devices.take(hash_secret(mark).hex())",
        equivalent="a mark is of one account only: the device that shows it to another isn't known there",
    ),
    _ATTEMPTS.edit(
        "attempts-all-addresses-of-ipv6",
        "hash_secret(normal_email(email)).hex(), network_of(address)",
        "hash_secret(normal_email(email)).hex(), address",
    ),
    _ATTEMPTS.edit(
        "attempts-by-spelling",
        "hash_secret(normal_email(email)).hex()",
        "hash_secret(email).hex()",
    ),
    _ATTEMPTS.edit(
        "attempts-line-without-bound",
        "        if len(self._line) > self._most_in_line:\n",
        "        if len(self._line) < 0:\n",
    ),
    _ATTEMPTS.edit(
        "attempts-line-keeps-who-went",
        "            if not mine.given_way.is_set():\n                self._line.remove(mine)\n",
        "            pass\n",
    ),
    _RATE.edit("rate-one-too-many", "if len(taken) >= self._limit else 0.0", "if len(taken) > self._limit else 0.0"),
    _RATE.edit(
        "rate-refusals-count",
        "        if wait := self.wait(key):\n            return wait\n        taken.append(now)\n",
        "        wait = self.wait(key)\n        taken.append(now)\n        if wait:\n            return wait\n",
    ),
    _RATE.edit(
        "rate-forgets-who-is-busy",
        "if taken and taken[-1] > now - WINDOW}",
        "if taken and taken[-1] > now}",
    ),
    _RATE.edit(
        "rate-keeps-everybody", "        if len(self._taken) < self._sweep_at:\n", "        if self._sweep_at:\n"
    ),
    _RATE.edit(
        "pace-refusals-count",
        "        if wait <= self._patience:\n",
        "        if wait <= self._patience or wait:\n",
    ),
    _RATE.edit(
        "pace-without-burst",
        "self._slack = (burst - 1) * self._step + _ROUNDING",
        "self._slack = _ROUNDING",
    ),
    _TURNS.edit(
        "turns-without-rank", "mine = _Waiting(rank, next(self._numbers)", "mine = _Waiting(0, next(self._numbers)"
    ),
    _TURNS.edit(
        "turns-without-bound", "        if len(self._waiting) > self._most:\n", "        if len(self._waiting) < 0:\n"
    ),
    _TURNS.edit(
        "turns-lost-with-who-had-it",
        "            elif not mine.turn.cancelled() and mine.turn.exception() is None:\n                # It was this one's turn in the same moment: the place is not lost.\n                self._give_on()\n",
        "",
        hangs="nobody gets a turn any more",
    ),
    _DEVICES.edit(
        "auth-device-of-any-account",
        "return (known_devices.c.user_id == user_id, known_devices.c.mark_hash == hash_secret(mark))",
        'return (known_devices.c.mark_hash != b"", known_devices.c.mark_hash == hash_secret(mark))',
    ),
    _DEVICES.edit(
        "auth-device-mark-planted",
        "        mark = new_secret()\n",
        "        mark = mark or new_secret()\n",
    ),
    _DEVICES.edit(
        "auth-device-without-bound",
        "            .limit(MOST_DEVICES)\n",
        "            .limit(1_000 * MOST_DEVICES)\n",
    ),
    _DEVICES.edit(
        "auth-device-forgets-everybodys",
        "        condition = [known_devices.c.user_id == user_id]\n",
        '        condition = [known_devices.c.user_id != ""]\n',
    ),
    _DEVICES.edit(
        "auth-device-of-others-make-room",
        "                known_devices.c.user_id == user_id, known_devices.c.mark_hash.not_in(latest.scalar_subquery())\n",
        "                known_devices.c.mark_hash.not_in(latest.scalar_subquery())\n",
    ),
    _DEVICES.edit(
        "auth-device-unused-stays",
        "delete(known_devices).where(known_devices.c.used_at < before)",
        "delete(known_devices).where(known_devices.c.used_at < 0)",
        "tests/unit/services/test_housekeeping.py",
        _SIGN_IN_TESTS,
    ),
    # What routes ask
    _AUTH_ROUTES.edit(
        "auth-route-login-asks-no-page",
        '    """Start a session with a password."""\n    services = auth_services(request)\n    services.authenticator.check_page(request)\n',
        '    """Start a session with a password."""\n    services = auth_services(request)\n',
    ),
    _AUTH_ROUTES.edit(
        "auth-route-redeem-asks-no-page",
        '    """Start a session with a one-time sign-in code."""\n    services = auth_services(request)\n    services.authenticator.check_page(request)\n',
        '    """Start a session with a one-time sign-in code."""\n    services = auth_services(request)\n',
    ),
    _AUTH_ROUTES.edit(
        "auth-route-logout-leaves-the-session",
        "    await services.registry.end(_end_one(access.user_id, access.session.id))\n    services.authenticator.clear_cookie(response)\n",
        "    services.authenticator.clear_cookie(response)\n",
    ),
    _AUTH_ROUTES.edit(
        "auth-route-revoke-all-leaves-devices",
        "        KnownDevices(connection).forget(access.user_id)\n        return",
        "        return",
    ),
    _ACCESS.edit("access-uncertain-does-all", "    if found.stale:\n", "    if found.stale and not found.user_id:\n"),
    _ACCESS.edit(
        "access-known-stays-a-stranger",
        "    admit(request.scope)\n    return found\n",
        "    return found\n",
        f"{_BOUNDS}::test_whoever_a_request_made_known_makes_no_room_for_strangers",
    ),
    _BODY.edit(
        "body-of-strangers-is-read",
        "            if taken > STRANGERS_BODY and user_id is None:\n",
        "            if taken > self.max_bytes and user_id is None:\n",
    ),
    _BODY.edit(
        "body-length-is-believed",
        "            if taken > self.max_bytes:\n",
        "            if taken > self.max_bytes and declared:\n",
    ),
    _BODY.edit(
        "body-of-whom-nobody-knows-is-read",
        "    except (NotAuthenticated, ForbiddenOrigin) as error:\n",
        "    except NotAuthenticated:\n        return\n    except ForbiddenOrigin as error:\n",
    ),
    # By which name, and from where
    _DOOR.edit(
        "host-not-checked",
        "        if self._names.include(host, local[0] if local else None):\n",
        "        if host or self._names.include(host, local[0] if local else None):\n",
    ),
    _DOOR.edit("host-first-of-several", "        if len(told) != 1:\n", "        if not told:\n"),
    _DOOR.edit(
        "host-none-passes",
        '            return Problem(400, "invalid_request", "the Host header names no host")\n',
        "            return None\n",
    ),
    _DOOR.edit(
        "health-tells-everybody",
        "            scope[FOREIGN_HOST] = misdirected is not None\n",
        "            scope[FOREIGN_HOST] = False\n",
    ),
    _DOOR.edit(
        "door-plain-http-past-the-proxy",
        "        return misdirected or self._readable(scope)\n",
        "        return misdirected\n",
    ),
    _DOOR.edit(
        "door-plain-http-to-the-proxy",
        "                plain = not is_loopback(client_address(scope, settings))\n",
        "                plain = False\n",
    ),
    _NAMES.edit(
        "host-any-address-is-ours",
        "return address is not None and local_address is not None and address == address_of(local_address)",
        "return address is not None",
    ),
    _NAMES.edit(
        "host-ends-in-ours",
        "if is_loopback(host) or host in self._names:",
        "if is_loopback(host) or any(host.endswith(name) for name in self._names):",
    ),
    _NAMES.edit(
        "host-set-names-are-not-ours",
        "        self._names = {*settings.allowed_hosts}\n",
        "        self._names: set[str] = set()\n",
    ),
    _LOOPBACK.edit(
        "loopback-by-its-first-letters",
        "    return address is not None and address.is_loopback",
        '    return host.startswith("127.") or (address is not None and address.is_loopback)',
    ),
    _ADDRESS.edit(
        "proxy-believed-from-anybody",
        "        if not _trusted(found, settings.trusted_proxies):\n            break\n        before",
        "        before",
    ),
    _ADDRESS.edit(
        "proxy-left-most-counts",
        '            for part in reversed(value.split(",")):\n',
        '            for part in value.split(","):\n',
    ),
    _ADDRESS.edit(
        "proxy-scheme-from-anybody",
        "    if found is None or not _trusted(found, settings.trusted_proxies):\n        return None\n",
        "    if found is None:\n        return None\n",
    ),
    _ADDRESS.edit(
        "proxy-both-headers",
        '    if settings.proxy_header == "x-forwarded-for":\n        for value',
        '    if settings.proxy_header == "x-forwarded-for" or _values(scope, b"x-forwarded-for"):\n        for value',
    ),
    _ADDRESS.edit(
        "proxy-bad-element-is-skipped",
        "            # Where this element ends can't be known; nor, then, where those before the next one do.\n            elements = [{}]\n",
        "            elements[-1] = {}\n",
        equivalent="an element that says nothing ends the walk of both readers, so what stands left of it isn't read",
    ),
    _ADDRESS.edit(
        "address-of-ipv6-by-itself",
        "    return str(ipaddress.ip_network((found, 64), strict=False))",
        "    return address",
    ),
    _SETTINGS.edit("proxy-everybody", "    if found.prefixlen == 0:\n", "    if found.prefixlen < 0:\n"),
    _SETTINGS.edit(
        "plain-http-needs-no-consent",
        "        if self.allow_insecure_http:\n",
        "        if self.allow_insecure_http or self.host:\n",
        _FRONT,
    ),
    # Phases of a connection
    _VISIT.edit(
        "phase-silent-for-ever",
        "            Phase.SILENT: settings.head_timeout,\n",
        "",
        hangs="the test waits for the end",
    ),
    _VISIT.edit(
        "phase-head-for-ever",
        "            Phase.HEAD: settings.head_timeout,\n",
        "",
        hangs="the test waits for the end",
    ),
    _VISIT.edit(
        "phase-body-for-ever",
        "            Phase.BODY: settings.body_timeout,\n",
        "",
        hangs="the test waits for the end",
    ),
    _VISIT.edit(
        "phase-kept-for-ever",
        "            Phase.KEPT: settings.keep_alive_timeout,\n",
        "",
        hangs="the test waits for the end",
    ),
    _VISIT.edit(
        "phase-lingers-for-ever", "            Phase.LEAVING: LINGER,\n", "", hangs="the test waits for the end"
    ),
    _VISIT.edit(
        "phase-of-a-known-one-stays-a-strangers",
        "        self.admitted = True\n        self._crowd.moved(self)\n",
        "        self.admitted = True\n",
    ),
    _VISIT.edit(
        "phase-admits-after-the-end",
        "        if self.admitted or self.phase in {Phase.LEAVING, Phase.GONE}:\n",
        "        if self.admitted:\n",
    ),
    _VISIT.edit(
        "phase-any-step",
        "        if phase not in LEGAL_STEPS[self.phase]:\n",
        "        if phase is self.phase is None:\n",
    ),
    _VISIT.edit(
        "phase-of-a-proxy-remembers",
        "            self.admitted = False\n            self._crowd.moved(self)\n",
        "            pass\n",
    ),
    _VISIT.edit(
        "phase-gone-keeps-its-timer",
        "            if self.phase is Phase.GONE and self._timer is not None:\n                self._timer.cancel()\n                self._timer = None\n",
        "            pass\n",
    ),
    _CROWD.edit(
        "crowd-without-bound",
        "        if len(self._strangers) >= self._most and not self._close_a_stranger():\n",
        "        if len(self._strangers) < 0 and not self._close_a_stranger():\n",
    ),
    _CROWD.edit(
        "crowd-without-bound-per-address",
        "        if len(present) >= self._most_per_address and not self._cut_first(present):\n",
        "        if len(present) < 0 and not self._cut_first(present):\n",
    ),
    _CROWD.edit(
        "crowd-cuts-whoever",
        "            if visit.idle and visit.phase is not Phase.GONE:\n",
        "            if visit.phase is not Phase.GONE:\n",
    ),
    _CROWD.edit(
        "crowd-cuts-the-latest", "        for visit in visits:\n", "        for visit in reversed(list(visits)):\n"
    ),
    _CROWD.edit(
        "crowd-cuts-of-any-address",
        "        if self._of_network and self._cut_first(max(self._of_network.values(), key=len)):\n            return True\n",
        "",
    ),
    _CROWD.edit(
        "crowd-cuts-one-for-all",
        "                self._take_out(visit)\n                visit.cut()\n",
        "                visit.cut()\n",
    ),
    _CROWD.edit(
        "crowd-few-descriptors-are-no-matter",
        "if self._few_are_left(descriptor) and not",
        "if descriptor < 0 and not",
    ),
    _CROWD.edit(
        "crowd-descriptors-by-their-numbers",
        "max(descriptor, self._other_descriptors + len(self._open))",
        "descriptor",
    ),
    _CROWD.edit(
        "crowd-known-count-as-strangers",
        "            self._known[visit] = None\n            return\n",
        "            self._known[visit] = None\n",
    ),
    _CROWD.edit(
        "crowd-known-are-never-cut",
        "not (self._close_a_stranger() or self._cut_first(self._known))",
        "not self._close_a_stranger()",
    ),
    _CROWD.edit("crowd-the-gone-hold-descriptors", "        self._open.discard(visit)\n", ""),
    _HTTP.edit(
        "head-without-bound",
        "                if self._head_bytes >= self._settings.max_head_bytes:\n",
        "                if self._head_bytes < 0:\n",
        hangs="the test sends without end",
    ),
    _HTTP.edit(
        "head-header-without-bound",
        "        if len(name) + len(value) + 4 > settings.max_header_bytes:\n",
        "        if not name and len(value) > settings.max_header_bytes:\n",
    ),
    _HTTP.edit(
        "head-headers-without-bound",
        "        if len(self.headers) > settings.max_headers:\n",
        "        if len(self.headers) < 0:\n",
    ),
    _HTTP.edit(
        "head-url-without-bound",
        "        if len(self.url) > self._settings.max_url_bytes:\n",
        "        if len(self.url) < 0:\n",
    ),
    _HTTP.edit(
        "head-trailers-are-headers",
        "        if self.visit.phase is not Phase.HEAD:\n",
        "        if self.visit.phase is Phase.GONE:\n",
    ),
    _HTTP.edit(
        "head-host-of-the-header-not-the-target",
        '            *((name, value) for name, value in self.headers if name != b"host"),\n            (b"host", parts.netloc.encode()),\n',
        "            *self.headers,\n",
        _BOUNDS,
        _FRONT,
    ),
    _HTTP.edit(
        "head-old-version-with-chunks",
        'if version == "1.0" and any(name == b"transfer-encoding" for name, _ in self.headers):',
        'if version == "0.9" and any(name == b"transfer-encoding" for name, _ in self.headers):',
    ),
    _HTTP.edit(
        "body-beside-the-body-without-bound",
        "                if self._framing_left < 0:\n",
        "                if self._framing_left is None:\n",
        hangs="the test sends without end",
    ),
    _HTTP.edit(
        "body-that-nobody-reads-without-bound",
        "        if self._payload > 2 * self._settings.max_frame_bytes:\n",
        "        if self._payload < 0:\n",
        hangs="the test sends without end",
    ),
    _HTTP.edit(
        "pipeline-without-bound",
        "        if len(self.pipeline) >= MAX_PIPELINED:\n",
        "        if len(self.pipeline) < 0:\n",
    ),
    _HTTP.edit(
        "refused-may-send-for-ever",
        "                if self._lingered > LINGER_BYTES and self.visit.phase is Phase.LEAVING:\n                    self.bounded.abort()\n",
        "",
        equivalent="LINGER ends it too, after seconds; the bound only spares their work",
    ),
    _HTTP.edit(
        "refused-is-reset",
        "            self.bounded.before_close = self._linger\n",
        "            pass\n",
    ),
    _HTTP.edit(
        "proxys-clients-are-one",
        "                self._crowd.speak_for(self.visit, network_of(client_address(self.scope, self._settings)))\n",
        "                pass\n",
    ),
    _HTTP.edit(
        "proxys-next-client-is-the-last",
        "            self.visit.forget()\n            self._crowd.speak_for(self.visit, None)\n",
        "            pass\n",
    ),
    _HTTP.edit(
        "refusal-says-nothing-of-coming-back",
        '            *([b"retry-after: 1"] if status in {429, 503} else []),\n',
        "",
    ),
    _TRANSPORT.edit(
        "answer-nobody-takes-stays",
        "        if before - unsent < MIN_RATE * self._stall_timeout:\n",
        "        if before - unsent < 0:\n",
        hangs="the test waits for the end",
    ),
    _SOCKET.edit(
        "auth-socket-of-a-stranger-has-all-the-room",
        "            self.conn.max_message_size = STRANGERS_FRAME\n",
        "",
        _BOUNDS,
    ),
    _SOCKET.edit(
        "auth-socket-of-a-known-one-has-little-room",
        "        self.conn.max_message_size = self._full_size\n",
        "",
        _BOUNDS,
    ),
    _SOCKET.edit(
        "auth-socket-empty-frames-are-kept",
        "        if event.data or event.fin:\n",
        "        if event:\n",
        _BOUNDS,
    ),
    # The pace of one user's requests
    _ACCESS.edit("requests-without-pace", "    if wait > PATIENCE:\n", "    if wait > 3600:\n", _MANY),
    _ACCESS.edit("requests-one-pace-for-all", "requests, found.user_id)", 'requests, "everybody")', _MANY),
    _ACCESS.edit("requests-stops-behind-reads", 'f"stop {found.user_id}"', "found.user_id", _MANY),
    # The context
    _CONTEXT.edit("context-of-nobody", "    if value.strip().casefold() in _REFUSED:\n", "    if value in _REFUSED:\n"),
    _CONTEXT.edit(
        "context-ids-of-any-type",
        "            if value is not None:\n                _check_name(name, value)\n",
        "            pass\n",
    ),
    _CONTEXT.edit(
        "context-metadata-can-be-changed",
        "MappingProxyType(dict(self.metadata)))",
        "dict(self.metadata))",
    ),
    _CONTEXT.edit("context-without-end", "        if self.depth >= MAX_DEPTH:\n", "        if self.depth < 0:\n"),
    _CONTEXT.edit(
        "context-child-is-the-same-request",
        "            self,\n            request_id=str(uuid7()),\n",
        "            self,\n",
    ),
)
