"""Cut GitHub's own description of its API to the calls we make: ``python cut_spec.py api.github.com.deref.json``.

The input is ``generated/api.github.com.deref.json`` of the npm package @octokit/openapi; the output, ``calls.json``
beside this file, has for each call its query parameters, the schema of its body, and an example of its answer.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

CALLS = {
    "GET /repos/{owner}/{repo}/pulls": "200",
    "POST /repos/{owner}/{repo}/pulls": "201",
    "PATCH /repos/{owner}/{repo}/pulls/{pull_number}": "200",
    "POST /repos/{owner}/{repo}/issues/{issue_number}/labels": "200",
    "GET /repos/{owner}/{repo}/issues/{issue_number}/comments": "200",
    "POST /repos/{owner}/{repo}/issues/{issue_number}/comments": "201",
    "PATCH /repos/{owner}/{repo}/issues/comments/{comment_id}": "200",
    "POST /repos/{owner}/{repo}/check-runs": "201",
    "POST /repos/{owner}/{repo}/statuses/{sha}": "201",
    "GET /repos/{owner}/{repo}/actions/workflows/{workflow_id}/runs": "200",
    "POST /repos/{owner}/{repo}/actions/runs/{run_id}/cancel": "202",
    "POST /repos/{owner}/{repo}/actions/workflows/{workflow_id}/dispatches": "200",
    "GET /repos/{owner}/{repo}/rules/branches/{branch}": "200",
}


def cut(spec: dict[str, Any]) -> dict[str, Any]:
    """The calls of a description."""
    calls = {}
    for call, status in CALLS.items():
        method, path = call.split(" ")
        operation = spec["paths"][path][method.lower()]
        answer = operation["responses"][status]["content"]["application/json"]
        body = operation.get("requestBody")
        calls[call] = {
            "query": {p["name"]: _bare(p["schema"]) for p in operation["parameters"] if p["in"] == "query"},
            "body": None if body is None else _bare(body["content"]["application/json"]["schema"]),
            "answer": next(iter(answer["examples"].values()))["value"],
        }
    return {"version": spec["info"]["version"], "calls": calls}


def _bare(schema: Any) -> Any:
    """A schema without its prose."""
    if isinstance(schema, list):
        return [_bare(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    return {k: _bare(v) for k, v in schema.items() if not (k == "description" and isinstance(v, str))}


if __name__ == "__main__":
    spec = json.loads(Path(sys.argv[1]).read_text("utf-8"))
    Path(__file__).with_name("calls.json").write_text(json.dumps(cut(spec), indent=1) + "\n", "utf-8")
