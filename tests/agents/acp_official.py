"""An agent made with the protocol's own Python library: it refuses what its schema does not know."""

from __future__ import annotations

import asyncio
import os
from typing import Any

from acp import (
    PROTOCOL_VERSION,
    InitializeResponse,
    NewSessionResponse,
    PromptResponse,
    run_agent,
    update_agent_message_text,
)
from acp.schema import PermissionOption, ToolCallUpdate


class Official:
    def on_connect(self, conn: Any) -> None:
        self.client = conn

    async def initialize(self, protocol_version: int, **kwargs: Any) -> InitializeResponse:
        assert protocol_version == PROTOCOL_VERSION
        assert kwargs["client_capabilities"].terminal and kwargs["client_info"].name == "pytest-autoresearch"
        return InitializeResponse(protocol_version=PROTOCOL_VERSION)

    async def new_session(self, cwd: str, **kwargs: Any) -> NewSessionResponse:
        self.cwd = cwd
        return NewSessionResponse(session_id="official")

    async def prompt(self, prompt: Any, session_id: str, **kwargs: Any) -> PromptResponse:
        path, client = os.path.join(self.cwd, "train.py"), self.client
        options = [PermissionOption(option_id="yes", name="Yes", kind="allow_once")]
        call = ToolCallUpdate(tool_call_id="t1")
        asked = await client.request_permission(session_id=session_id, tool_call=call, options=options)
        await client.write_text_file(session_id=session_id, path=path, content="LR = 0.25\n")
        text = await client.read_text_file(session_id=session_id, path=path, line=1, limit=1)
        made = await client.create_terminal(session_id=session_id, command="echo", args=["hello"])
        status = await client.wait_for_terminal_exit(session_id=session_id, terminal_id=made.terminal_id)
        shown = await client.terminal_output(session_id=session_id, terminal_id=made.terminal_id)
        await client.release_terminal(session_id=session_id, terminal_id=made.terminal_id)
        wrote = "wrote read" if text.content == "LR = 0.25\n" else text.content
        said = f"DESCRIPTION: {asked.outcome.option_id} {wrote} {status.exit_code} {shown.output.strip()}"
        await client.session_update(session_id=session_id, update=update_agent_message_text(said))
        return PromptResponse(stop_reason="end_turn")


if __name__ == "__main__":
    agent: Any = Official()
    asyncio.run(run_agent(agent))
