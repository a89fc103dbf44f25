"""Whether a run came to where operations succeed: a check that only ever saw refusals says nothing about answers."""

import json
import os
import sys

# Operations that a run from outside cannot make succeed, and why.
UNREACHABLE = {
    "POST /api/v1/auth/accept-invite": "takes the secret of a link that is told once",
    "POST /api/v1/auth/reset-password": "takes the secret of a link that is told once",
    "POST /api/v1/auth/refresh": "takes a refresh token, which no description can make up",
    "POST /api/v1/auth/login": "takes a password, which no description can make up",
    "POST /api/v1/auth/change-password": "left out: it would end the session of the run",
    "POST /api/v1/auth/logout": "left out: it would end the session of the run",
    "DELETE /api/v1/auth/sessions": "left out: it would end the session of the run",
    "DELETE /api/v1/auth/sessions/{id}": "left out: it would end the session of the run",
}


def main() -> int:
    with open(sys.argv[1], encoding="utf-8") as file:
        document = json.load(file)
    if not os.path.exists(sys.argv[2]):
        print("nothing was asked")
        return 1
    with open(sys.argv[2], encoding="utf-8") as file:
        answers = json.load(file)
    methods = {"get", "put", "post", "delete", "patch"}
    labels = [f"{m.upper()} {p}" for p, item in document["paths"].items() for m in item if m in methods]
    succeeded = {label for label, counts in answers.items() if any(status.startswith("2") for status in counts)}
    missing = [label for label in labels if label not in succeeded and label not in UNREACHABLE]
    reachable = [label for label in labels if label not in UNREACHABLE]
    print(f"{len(reachable) - len(missing)} of {len(reachable)} operations succeeded at least once")
    for label in missing:
        print(f"  never: {label}  {answers.get(label, {})}")
    failures = [(label, status) for label, counts in answers.items() for status in counts if status in ("500", "504")]
    for label, status in failures:
        print(f"  {status}: {label}")
    return int(bool(failures) or len(missing) > len(reachable) // 10)


if __name__ == "__main__":
    sys.exit(main())
