"""The names that others import, pinned: a change here is a change for them."""

from __future__ import annotations

import importlib

import pytest

SURFACE = {
    "netra_backend.app.main": ["VERSION", "create_app", "open_services"],
    "netra_backend.app.services.user_execution_context": [
        "MAX_DEPTH",
        "ContextDepthExceeded",
        "InvalidContext",
        "UserExecutionContext",
    ],
    "netra_backend.app.services.agent_service_core": ["AgentService", "AgentStatus", "StopReport"],
    "netra_backend.app.services.agent_websocket_bridge": [
        "LEGAL_STEPS",
        "AgentWebSocketBridge",
        "BridgeState",
        "BridgeStatus",
        "IllegalBridgeStep",
    ],
    "netra_backend.app.websocket_core.websocket_manager": [
        "DeliveryResult",
        "LogAlreadyBound",
        "LogNotBound",
        "TooManySockets",
        "WebSocketManager",
        "WrongUser",
        "bound_log",
        "get_websocket_manager",
        "open_connections",
    ],
    "netra_backend.app.websocket_core.canonical_imports": ["create_websocket_manager"],
    "netra_backend.app.agents.runtime": [
        "AgentFailure",
        "AgentRuntime",
        "Json",
        "PastTurn",
        "RunSink",
        "SinkClosed",
        "ThreadHit",
        "ToolStatus",
        "Turn",
        "TurnHandle",
        "TurnResult",
        "Usage",
        "UserData",
    ],
    "netra_backend.testing": [
        "Call",
        "MemoryData",
        "Piece",
        "RecordingSink",
        "Say",
        "ScriptEnded",
        "ScriptedModel",
        "Taken",
        "Think",
        "ToolTold",
        "make_turn",
        "take_turn",
    ],
    "netra_backend.app.client": [
        "Client",
        "DoesNotTile",
        "FrameRefused",
        "NotSignedIn",
        "Place",
        "Received",
        "Unreachable",
    ],
}


@pytest.mark.parametrize("module", SURFACE)
def test_public_names(module: str) -> None:
    found = importlib.import_module(module)
    assert sorted(found.__all__) == sorted(SURFACE[module])
    for name in found.__all__:
        assert hasattr(found, name)
