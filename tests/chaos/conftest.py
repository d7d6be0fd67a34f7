from __future__ import annotations

import pytest


@pytest.fixture(params=["lean", "sdk"])
def model_client(request: pytest.FixtureRequest) -> str:
    """Who reads the model's stream: what was acknowledged is kept with either."""
    return request.param
