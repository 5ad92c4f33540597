"""A frame for many: for each of them the very text that a frame of its own would have."""

from __future__ import annotations

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from chatcore.protocol import messages as m
from chatcore.protocol.codec import encode_utf8
from chatcore.protocol.shared import Owner, SharedFrame

TEXTS = st.text(max_size=40) | st.sampled_from(['"user_id":""', '\\"connection_id\\":\\"\\"', '"', "\\", "é🎉\u2028"])
LIMITS = m.Limits(max_message_bytes=1, max_frames_per_second=1, max_messages_per_minute=1, max_pending_messages=1)


@st.composite
def frames(draw: st.DrawFn) -> m.AnyServerFrame:
    message, at = draw(TEXTS), draw(st.floats(0, 2e9))
    kind = draw(st.sampled_from(["initializing", "ready", "progress", "draining"]))
    if kind == "initializing":
        return m.Initializing(
            timestamp=at, user_id="", message=message, progress=3, connection_id="", instance_id=draw(TEXTS)
        )
    if kind == "ready":
        agents = [m.AgentInfo(name=draw(TEXTS), description=draw(TEXTS))]
        return m.Ready(
            timestamp=at,
            user_id="",
            message=message,
            connection_id="",
            instance_id=draw(TEXTS),
            generation=1,
            agents=agents,
            limits=LIMITS,
        )
    if kind == "draining":
        return m.Draining(timestamp=at, user_id="", message=message, reconnect_after_seconds=1.0)
    return m.InitializationProgress(
        timestamp=at,
        user_id="",
        message=message,
        progress=3,
        phase=draw(TEXTS),
        service=draw(TEXTS),
        label=draw(TEXTS),
        status="started",
        attempt=1,
        elapsed_seconds=0.5,
        eta_seconds=None,
    )


@given(frames(), TEXTS, TEXTS)
def test_it_is_what_a_frame_of_ones_own_would_be(frame: m.AnyServerFrame, user_id: str, connection_id: str) -> None:
    own = {"user_id": user_id} | ({"connection_id": connection_id} if hasattr(frame, "connection_id") else {})
    wanted = encode_utf8(msgspec.structs.replace(frame, **own))
    assert SharedFrame(frame).text_for(Owner.of(user_id, connection_id)) == wanted
