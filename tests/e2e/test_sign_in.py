"""Coming in, and being sent out."""

from __future__ import annotations

from playwright.async_api import expect

from netra_backend.app.auth.sign_in import issue_sign_in_code
from tests.e2e.conftest import OpenTab
from tests.harness.server import Person, RunningServer

PASSWORD = "correct horse battery staple"


async def code_for(server: RunningServer, person: Person) -> str:
    settings = server.services.settings
    return await server.services.log.write(lambda rows: issue_sign_in_code(rows, person.user_id, settings))


async def set_password(server: RunningServer, person: Person) -> None:
    async with server.http(person) as http:
        (await http.post("/api/auth/password", json={"new_password": PASSWORD})).raise_for_status()


async def test_a_one_time_link_opens_the_chat_once(server: RunningServer, open_tab: OpenTab) -> None:
    alice = await server.person()
    code = await code_for(server, alice)
    tab = await open_tab(server.url, path=None)
    await tab.open(f"/sign-in#{code}")
    await tab.ready()
    await expect(tab.page.get_by_role("heading", name="What shall we do?")).to_be_visible()
    assert tab.page.url == f"{server.url}/"
    assert code not in await tab.page.evaluate("() => location.href + JSON.stringify(history.state)")

    other = await open_tab(server.url, path=None)
    await other.open(f"/sign-in#{code}")
    await expect(other.page.get_by_role("alert")).to_contain_text("unknown, used or expired")


async def test_a_password_opens_it_and_a_wrong_one_says_so(server: RunningServer, open_tab: OpenTab) -> None:
    alice = await server.person()
    await set_password(server, alice)
    tab = await open_tab(server.url, path=None)
    await tab.open("/")
    await tab.page.get_by_label("E-mail address").fill("alice@example.org")
    await tab.page.get_by_label("Password").fill("not that")
    await tab.page.get_by_role("button", name="Sign in").click()
    await expect(tab.page.get_by_role("alert")).to_contain_text("wrong")
    await tab.page.get_by_label("Password").fill(PASSWORD)
    await tab.page.keyboard.press("Enter")
    await tab.ready()


async def test_signing_out_leaves_no_draft(server: RunningServer, open_tab: OpenTab) -> None:
    alice = await server.person()
    tab = await open_tab(server.url, alice)
    await tab.composer.fill("a secret plan")
    await tab.page.get_by_role("button", name="Sign out").click()
    await expect(tab.page.get_by_role("heading", name="Sign in to Netra")).to_be_visible()
    assert "secret" not in await tab.page.evaluate("() => JSON.stringify({...localStorage, ...sessionStorage})")
    await tab.open("/")
    await expect(tab.page.get_by_role("heading", name="Sign in to Netra")).to_be_visible()


async def test_signing_out_everywhere_ends_every_browser(server: RunningServer, open_tab: OpenTab) -> None:
    alice = await server.person()
    _, second = await server.services.registry.start(alice.user_id, "another browser")
    tab = await open_tab(server.url, alice)
    other = await open_tab(server.url, Person(alice.user_id, "", second))
    await tab.page.get_by_role("link", name="settings").click()
    await tab.page.get_by_role("button", name="Sign out everywhere").click()
    await expect(tab.page.get_by_role("heading", name="Sign in to Netra")).to_be_visible()
    await expect(other.page.get_by_role("dialog", name="Your session has ended")).to_be_visible()


async def test_an_expired_session_keeps_what_was_typed(server: RunningServer, open_tab: OpenTab) -> None:
    alice = await server.person()
    await set_password(server, alice)
    tab = await open_tab(server.url, alice)
    await tab.say("what is 6*7?")
    await tab.state("completed")
    await tab.composer.fill("half a thought")
    async with server.http(alice) as http:
        await http.post("/api/auth/sessions/revoke-all")

    dialog = tab.page.get_by_role("dialog", name="Your session has ended")
    await expect(dialog).to_be_visible()
    await dialog.get_by_label("Password").fill(PASSWORD)
    await tab.page.keyboard.press("Enter")
    await expect(dialog).to_be_hidden()
    await tab.ready()
    await expect(tab.composer).to_have_value("half a thought")
    await tab.composer.press("Enter")
    await expect(tab.turns).to_have_count(2)
    await tab.state("completed")


async def test_a_password_is_set_and_sessions_are_revoked_in_settings(server: RunningServer, open_tab: OpenTab) -> None:
    alice = await server.person()
    other, _ = await server.services.registry.start(alice.user_id, "netra login on a laptop")
    tab = await open_tab(server.url, alice, "/settings")
    await tab.page.get_by_role("button", name="Sign out netra login on a laptop").click()
    await expect(tab.page.get_by_text("netra login on a laptop")).to_be_hidden()
    async with server.http(alice) as http:
        sessions = (await http.get("/api/auth/sessions")).json()["sessions"]
    assert other.id not in {session["id"] for session in sessions}

    await tab.page.get_by_label("New password").fill(PASSWORD)
    await tab.page.get_by_role("button", name="Set a password").click()
    await expect(tab.page.get_by_text("The password is set.")).to_be_visible()
    await expect(tab.page.get_by_label("Current password")).to_be_visible()


async def test_deleting_the_account_is_asked_twice_and_leads_out(server: RunningServer, open_tab: OpenTab) -> None:
    alice = await server.person()
    tab = await open_tab(server.url, alice, "/settings")
    await tab.page.get_by_role("button", name="Delete my account").click()
    await tab.page.get_by_role("button", name="Delete everything").click()
    await expect(tab.page.get_by_role("heading", name="Sign in to Netra")).to_be_visible()
    async with server.http(alice) as http:
        assert (await http.get("/api/auth/me")).status_code == 401
