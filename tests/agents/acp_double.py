"""An agent that speaks the Agent Client Protocol by hand, as well or as badly as SCENARIO says: acp_double.py SCENARIO.

It knows nothing of the client but its answers; what it is told goes to ``told.jsonl`` in its HOME where ``KEEP`` names
another place.
"""

from __future__ import annotations

import json
import os
import sys
import time
from typing import Any

ANSWER = "HYPOTHESIS: a smaller step overshoots less\nDESCRIPTION: halve the learning rate"
Json = Any


def send(message: Json) -> None:
    sys.stdout.write(json.dumps({"jsonrpc": "2.0", **message}) + "\n")
    sys.stdout.flush()


def read() -> Json:
    line = sys.stdin.readline()
    if not line:
        sys.exit(0)
    if path := os.environ.get("KEEP"):
        with open(path, "a") as file:
            file.write(line)
    return json.loads(line)


class Agent:
    """One session: answers until it is prompted, then plays the scenario."""

    def __init__(self) -> None:
        self.asked = 0
        self.prompted = 0

    def ask(self, method: str, **params: Json) -> Json:
        """Ask the client, and wait for its answer."""
        self.asked += 1
        send({"id": f"a{self.asked}", "method": method, "params": {"sessionId": "s1", **params}})
        while (message := read()).get("id") != f"a{self.asked}":
            pass
        return message.get("result", message.get("error"))

    def update(self, what: str, **update: Json) -> None:
        send({"method": "session/update", "params": {"sessionId": "s1", "update": {"sessionUpdate": what, **update}}})

    def say(self, text: str, **more: Json) -> None:
        self.update("agent_message_chunk", content={"type": "text", "text": text}, **more)

    def serve(self, scenario: str) -> None:
        while True:
            message = read()
            method, number = message.get("method"), message.get("id")
            if method == "initialize":
                name = os.environ.get("AGENT_NAME", "double")
                send({"id": number, "result": {"protocolVersion": 1, "agentInfo": {"name": name, "version": "1"}}})
            elif method == "session/new":
                modes = [{"id": "default", "name": "ask"}, {"id": "accept_edits", "name": "edit"}]
                modes_now = {"currentModeId": "default", "availableModes": modes}
                send({"id": number, "result": {"sessionId": "s1", "modes": modes_now}})
            elif method == "session/prompt":
                self.prompted = number
                result = globals()[scenario](self) or {"stopReason": "end_turn"}
                send({"id": number, "result": result})
            else:
                send({"id": number, "result": {}})


def edit(agent: Agent) -> None:
    """By the client's file requests, with a question before."""
    path = os.path.join(os.getcwd(), "train.py")
    text = agent.ask("fs/read_text_file", path=path)["content"]
    options = [
        {"optionId": "no", "name": "No", "kind": "reject_once"},
        {"optionId": "yes", "name": "Yes", "kind": "allow_once"},
    ]
    agent.update("tool_call", toolCallId="t1", title="edit", kind="edit", status="pending")
    outcome = agent.ask("session/request_permission", toolCall={"toolCallId": "t1", "kind": "edit"}, options=options)
    if outcome == {"outcome": {"outcome": "selected", "optionId": "yes"}}:
        agent.ask("fs/write_text_file", path=path, content=text.replace("0.5", "0.25"))
    agent.say("Notice: this may cause issues.")
    agent.say(ANSWER[:20])
    agent.say(ANSWER[20:])


def shell(agent: Agent) -> None:
    """By a command in a terminal of the client's."""
    agent.update("tool_call", toolCallId="t1", title="run", kind="execute", status="pending")
    made = agent.ask("terminal/create", command="sh", args=["-c", "sed -i s/0.5/0.25/ train.py; echo $WHO; exit 3"],
                     env=[{"name": "WHO", "value": "me"}], cwd=os.getcwd(), outputByteLimit=100)  # fmt: skip
    status = agent.ask("terminal/wait_for_exit", terminalId=made["terminalId"])
    output = agent.ask("terminal/output", terminalId=made["terminalId"])
    agent.ask("terminal/release", terminalId=made["terminalId"])
    agent.say(f"DESCRIPTION: {status['exitCode']} {output['output'].strip()} {output['exitStatus']['exitCode']}")


def spend(agent: Agent) -> Json:
    agent.update("usage_update", used=500, size=1000, cost={"amount": 0.25, "currency": "USD"})
    agent.say(ANSWER)
    usage = {"inputTokens": 300, "outputTokens": 30, "totalTokens": 330, "cachedReadTokens": 7}
    return {"stopReason": "end_turn", "usage": usage}


def think(agent: Agent) -> None:
    agent.say("NOTHING: the rate is at its optimum")


def dead(agent: Agent) -> None:
    agent.say("Error: connection refused by the model")


def refuse(agent: Agent) -> Json:
    agent.say("I will not.")
    return {"stopReason": "refusal"}


def fail(agent: Agent) -> None:
    error = {"code": -32603, "message": "Internal error", "data": {"message": "no model"}}
    send({"id": agent.prompted, "error": error})
    time.sleep(60)


def quit_early(agent: Agent) -> None:
    sys.stderr.write("panic: out of ideas\n")
    sys.stderr.flush()
    os._exit(9)


def flood(agent: Agent) -> None:
    while True:
        agent.say("x" * 100)


def flood_without_end_of_line(agent: Agent) -> None:
    while True:
        sys.stdout.write("x" * 65536)


def rubbish(agent: Agent) -> None:
    while True:
        sys.stdout.write("this is no json\n")


def wrong_ids(agent: Agent) -> None:
    for number in [-1, 0, 10**30, "a", None, True, [1], {"a": 1}] * 20:
        send({"id": number, "result": {"stopReason": "end_turn", "usage": {"inputTokens": 10**15}}})
    send({"id": 1, "result": {"sessionId": "another"}})
    agent.say(ANSWER)


def odd_messages(agent: Agent) -> None:
    for message in (
        {"method": "craft/drainMidTurnQueue", "id": 77, "params": {}},
        {"method": "session/update", "params": []},
        {"method": "session/update", "params": {"update": {"sessionUpdate": ["a"], "content": 5}}},
        {"method": "session/update", "params": {"update": {"sessionUpdate": "usage_update", "cost": "much"}}},
        {"method": "session/update", "params": {"update": {"sessionUpdate": "agent_message_chunk", "content": {}}}},
        {"method": "fs/read_text_file", "id": [1], "params": {"path": 5}},
        {"method": "fs/write_text_file", "id": 78, "params": "rubbish"},
        {"method": "session/request_permission", "id": 79, "params": {"options": ["a", {"kind": "allow_once"}]}},
        {"method": "terminal/create", "id": 80, "params": {"command": "a\0b", "args": [], "env": 7}},
        {"method": 5, "id": 81},
        {"method": "fs/write_text_file", "id": 82, "params": {"path": "half.txt", "content": "\ud800"}},
        {"method": "fs/read_text_file", "id": 83, "params": {"path": "\udfff"}},
        {"method": "terminal/create", "id": 84, "params": {"command": "true", "args": ["\ud800"], "cwd": "\ud800"}},
    ):
        send(message)
    sys.stdout.write("[" * 100_000 + "\n")
    agent.say("\x1b[2J\x1b]0;title\x07" + ANSWER)


def outside(agent: Agent) -> None:
    """Every way out of the working directory that a path has."""
    here = os.getcwd()
    paths = {
        "absolute": "/tmp/acp-outside",
        "above": os.path.join(here, "..", "outside"),
        "above the root": "../../../../outside",
        "link": os.path.join(here, "link"),
        "through a link": os.path.join(here, "links", "outside"),
        "a pipe": os.path.join(here, "pipe"),
        "a directory": os.path.join(here, "folder"),
        "nul": "a\0b",
    }
    os.symlink("../outside", "link")
    os.symlink("..", "links")
    os.mkfifo("pipe")
    os.mkdir("folder")
    wrote = [name for name, path in paths.items() if agent.ask("fs/write_text_file", path=path, content="evil") == {}]
    seen = [
        name
        for name, path in {**paths, "shadow": "/etc/passwd"}.items()
        if "content" in agent.ask("fs/read_text_file", path=path)
    ]
    for name in ("link", "links", "pipe"):
        os.unlink(name)
    os.rmdir("folder")
    agent.say(f"DESCRIPTION: wrote {wrote}, read {seen}")


def race(agent: Agent) -> None:
    """A path that changes between any check and its use: a directory is swapped for a link outside, all the time."""
    os.mkdir("real")
    child = os.fork()
    if child == 0:
        while True:
            os.rename("real", "kept")
            os.symlink("..", "real")
            os.unlink("real")
            os.rename("kept", "real")
    for _ in range(300):
        agent.ask("fs/write_text_file", path=os.path.join(os.getcwd(), "real", "outside"), content="evil")
    os.kill(child, 9)
    os.wait()
    agent.say(ANSWER)


def terminals(agent: Agent) -> None:
    """More of them than there may be, each with more output than is kept, and none ended."""
    made = [agent.ask("terminal/create", command="yes | head -c 3000000; sleep 600") for _ in range(40)]
    open_ones = [each["terminalId"] for each in made if "terminalId" in each]
    for name in open_ones:
        send({"id": f"w{name}", "method": "terminal/wait_for_exit", "params": {"terminalId": name}})
    time.sleep(1)
    output = agent.ask("terminal/output", terminalId=open_ones[0])
    agent.say(f"DESCRIPTION: {len(open_ones)} open, {len(output['output']) <= 1 << 20}, {output['truncated']}")


def linger(agent: Agent) -> None:
    """Ends its turn and leaves a child that holds every pipe."""
    if os.fork() == 0:
        time.sleep(600)
    agent.say(ANSWER)


def silent(agent: Agent) -> None:
    started_by = os.getppid()
    while os.getppid() == started_by:  # a sandbox would sweep it; the loose desk has none
        time.sleep(0.1)


if __name__ == "__main__":
    if sys.argv[1] == "another_version":
        send({"id": read()["id"], "result": {"protocolVersion": 2}})
        time.sleep(60)
    Agent().serve(sys.argv[1])
