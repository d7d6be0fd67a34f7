import json
import logging

import pytest
from starlette.exceptions import HTTPException

from netra_backend.app.routes.problems import Problem
from netra_backend.app.services.refusals import ThreadBusy

SECRET = "hunter2-hunter2"


async def test_bodies_that_are_wrong_name_the_field_and_never_repeat_it(client):
    for body, field in (
        ({"email": "a@example.org", "password": 5}, "password"),
        ({"email": "a@example.org"}, "password"),
        ({"email": "a@example.org", "password": [SECRET]}, "password"),
        ({"email": {"deep": SECRET}, "password": "x"}, "email"),
        ({"email": "x" * 400 + SECRET, "password": "x"}, "email"),
        ({"email": "a@example.org", "password": SECRET * 100}, "password"),
        ({"email": "a@example.org", "password": "x", "remember": SECRET}, "remember"),
    ):
        answer = await client.post("/api/auth/login", json=body)
        problem = answer.json()
        assert answer.headers["content-type"] == "application/problem+json"
        assert (answer.status_code, problem["code"], problem["field"]) == (422, "invalid_request", field)
        assert SECRET not in answer.text
        assert problem["detail"]


@pytest.mark.parametrize(
    ("content", "kind", "status"),
    [
        (b"{" + SECRET.encode(), "application/json", 400),
        (b"\xff\xfe", "application/json", 400),
        (b"[" * 5000, "application/json", 400),
        (b'{"email":"\\ud800","password":"x"}', "application/json", 422),
        (b'"' + SECRET.encode() + b'"', "application/json", 422),
        (b"[]", "application/json", 422),
        (b"null", "application/json", 422),
        (b"", "application/json", 422),
        (b"email=a&password=" + SECRET.encode(), "application/x-www-form-urlencoded", 422),
        (b'{"email":"a","password":"' + SECRET.encode() + b'"}', "text/plain", 422),
    ],
)
async def test_bodies_that_are_not_what_was_asked(client, content, kind, status):
    answer = await client.post("/api/auth/login", content=content, headers={"Content-Type": kind})

    assert (answer.status_code, answer.json()["code"]) == (status, "invalid_request")
    assert answer.headers["content-type"] == "application/problem+json"
    assert SECRET not in answer.text


async def test_unknown_paths_and_methods(client):
    missing = await client.get("/api/nothing")
    assert (missing.status_code, missing.json()["code"]) == (404, "not_found")
    assert missing.json() == {
        "type": "about:blank",
        "title": "Not Found",
        "status": 404,
        "detail": "Not Found",
        "code": "not_found",
    }
    wrong = await client.get("/api/auth/login")
    assert (wrong.status_code, wrong.json()["code"], wrong.headers["allow"]) == (405, "method_not_allowed", "POST")


async def test_a_body_may_be_so_large_whether_it_says_so_or_not(client):
    for content in (b" " * 10_001, _chunks(11)):
        answer = await client.post("/api/auth/login", content=content, headers={"Content-Type": "application/json"})
        assert (answer.status_code, answer.json()["code"]) == (413, "too_large")
        assert answer.headers["content-type"] == "application/problem+json"
    fits = json.dumps({"email": "a", "password": "b"}).encode().ljust(10_000)
    answer = await client.post("/api/auth/login", content=fits, headers={"Content-Type": "application/json"})
    assert answer.status_code == 401


async def _chunks(count: int):
    for _ in range(count):
        yield b" " * 1000


async def test_what_nobody_expected_has_an_id_that_the_log_has_too(house, make_client, make_app, caplog):
    app = make_app(house)

    @app.get("/api/defect")
    async def defect():
        raise RuntimeError(SECRET)

    with caplog.at_level(logging.ERROR):
        answer = await make_client(house, app=app).get("/api/defect")

    problem = answer.json()
    assert (answer.status_code, problem["code"]) == (500, "internal")
    assert SECRET not in answer.text
    assert "Traceback" not in answer.text
    record = next(record for record in caplog.records if getattr(record, "instance", None) == problem["instance"])
    assert record.exc_info is not None
    assert isinstance(record.exc_info[1], RuntimeError)


async def test_an_answer_that_breaks_off_is_not_made_to_look_whole(house, make_client, make_app):
    from starlette.responses import StreamingResponse

    app = make_app(house)

    async def half():
        yield b"half"
        raise RuntimeError("broke")

    @app.get("/api/half")
    async def get_half():
        return StreamingResponse(half())

    with pytest.raises(RuntimeError, match="broke"):
        await make_client(house, app=app).get("/api/half")


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (Problem(409, "thread_busy", "busy", "thread_id", 1.2), 409, "thread_busy"),
        (ThreadBusy("busy", field="thread_id", retry_after=1.2), 409, "thread_busy"),
        (HTTPException(418), 418, "i'm_a_teapot"),
        (HTTPException(499, "odd"), 499, "error"),
    ],
)
async def test_every_error_has_a_code(house, make_client, make_app, error, status, code):
    app = make_app(house)

    @app.get("/api/error")
    async def fail():
        raise error

    answer = await make_client(house, app=app).get("/api/error")
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    if status == 409:
        assert answer.json()["field"] == "thread_id"
        assert answer.json()["retry_after"] == 1.2
        assert answer.headers["retry-after"] == "2"


async def test_openapi_tells_of_problems(client):
    described = (await client.get("/openapi.json")).json()
    responses = described["paths"]["/api/auth/login"]["post"]["responses"]
    for status in ("401", "422", "429", "503"):
        assert "application/problem+json" in responses[status]["content"]
        assert responses[status]["content"]["application/problem+json"]["schema"]["$ref"].endswith("/ProblemBody")
    assert "HTTPValidationError" not in described["components"]["schemas"]
