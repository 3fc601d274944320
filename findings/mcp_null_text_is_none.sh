#!/usr/bin/env bash
# mcp 2.3.0 (the official SDK), MCPServer: a tool's argument of type `str | None` is no longer the text that the client
# sent where that text is JSON. "null" arrives as None, and "[1]" or a JSON object is refused as "not a valid string";
# with `str` all three arrive as sent. The schema shown to the client says "string" for both, and "1" and "true" pass.
# Source: mcp/server/mcpserver/utilities/func_metadata.py, pre_parse_json, meant for clients that send lists as text.
set -euo pipefail
room=$(mktemp -d)
trap 'rm -rf "$room"' EXIT
python3 -m venv "$room/venv"
"$room/venv/bin/pip" install -qq --disable-pip-version-check mcp==2.3.0

"$room/venv/bin/python" - 2>"$room/said" <<'PY' || { cat "$room/said"; exit 1; }
import asyncio

from mcp import Client
from mcp.server.mcpserver import MCPServer

server = MCPServer("notes")


@server.tool()
def optional(text: str | None = None) -> str:
    return repr(text)


@server.tool()
def plain(text: str = "") -> str:
    return repr(text)


async def said(client, tool, text):
    answer = await client.call_tool(tool, {"text": text})
    return "refused" if answer.is_error else answer.content[0].text


async def main():
    async with Client(server) as client:
        for tool, wanted in (("plain", ["'null'", "'[1]'", "'true'"]), ("optional", ["None", "refused", "'true'"])):
            seen = [await said(client, tool, text) for text in ("null", "[1]", "true")]
            print(f"mcp 2.3.0, {tool}: the texts null, [1] and true arrive as", *seen)
            assert seen == wanted, "this has changed"


asyncio.run(main())
PY
