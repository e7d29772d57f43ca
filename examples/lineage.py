"""
A company and a team in it: what the team inherits, which schema both obey, and a secret that stands in no document.

    python examples/lineage.py [STORE]     default: a store in memory
"""

import os
import sys

import realmconf
from realmconf import SchemaViolation

SCHEMA = {
    "properties": {
        "agent": {
            "type": "object",
            "properties": {
                "model": {"type": "string"},
                "retries": {"type": "integer", "maximum": 9},
                "api_key": {"type": "string", "x-secret": True},
            },
            "additionalProperties": False,
        },
        "hooks": {"type": "array", "x-merge": "append"},
    }
}


def main(store: str) -> None:
    """Write both realms, and print what the team is."""
    os.environ.setdefault("AGENT_KEY", "sk-example")
    with realmconf.connect(store, author="ada") as client:
        company, team = client.realm("company"), client.realm("team")
        company.set_schema(SCHEMA, message="what an agent's settings are")
        agent = {"model": "claude-haiku-4-5", "retries": 2, "api_key": "secret://env/AGENT_KEY"}
        company.patch({"agent": agent, "hooks": ["lint"]}, message="defaults for everybody")
        team.set_parent("company")
        own = {"agent": {"model": "claude-opus-4-5"}, "hooks": ["types"]}
        team.patch(own, message="long reviews")

        try:
            team.patch({"agent": {"modle": "claude-haiku-4-5", "retries": 12}})
        except SchemaViolation as refused:
            for violation in refused.violations:
                print("refused:", violation["pointer"], violation["message"])

        snapshot = team.get()
        for part in team.explain().parts:
            print(f"{part.pointer} = {part.value!r} ({part.realm}: {part.message})")
        key = snapshot.secret("agent.api_key")
        print(key, "has", len(key.reveal()), "characters")

        plan = company.set_value("agent.retries", 5, dry_run=True)
        print("a change of the company's retries would reach:", ", ".join(plan.descendants))


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "memory://")
