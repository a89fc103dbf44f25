"""Loads a landscape through the public bulk API, and gives an account of every line of it.

DIR holds cards.jsonl (one card a line: type, name and any other field of a card) and relationships.jsonl (one
relationship a line: source {type, name}, type, target {type, name} and any other field). Cards are found again by type
and name, relationships by source, type, target and valid_from: loading the same landscape twice changes nothing.

Exit status: 0 all accepted, 1 something was rejected or not sent, 2 called wrongly.
"""

import argparse
import collections
import http.client
import json
import os
import pathlib
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
import uuid

DEMO_EMAIL = "demo@archzero.example"
BULK = "/api/v1/cards/bulk"
MAX_OPERATIONS = 2000
# The server takes 10 MiB by default (API_MAX_BODY_SIZE).
MAX_BYTES = 8 * 1024 * 1024
# Longer than the server's own time limit, so that it is the one to give up.
TIMEOUT_SECONDS = 120
ATTEMPTS = 10
# Refused as a whole though the request may be fine but for one line.
DIVISIBLE = (400, 413, 422, 504)
# So many lines refused one after the other, each alone in its request: it is not the lines.
PATIENCE = 20
OUTCOMES = ("created", "updated", "unchanged", "rejected", "not sent")


class GiveUp(Exception):
    """Nothing more can be sent; what was not is accounted for as such."""


class Refused(Exception):
    """The server refused a request as a whole."""

    def __init__(self, status, error):
        super().__init__(f"{status} {error.get('code', '')}: {error.get('message', '')}")
        self.status, self.error = status, error


class Line:
    """A line of a file, and what became of it."""

    def __init__(self, file, number, text):
        self.file, self.number = file, number
        self.text = text.strip()
        self.kind, self.outcome, self.reason = "?", "not sent", None

    def where(self):
        return f"{self.file}:{self.number}"

    def reject(self, code, message, field=None):
        self.outcome = "rejected"
        self.reason = (code, f"{field}: {message}" if field and not message.startswith(field) else message)


def refuse_constant(name):
    raise ValueError(f"{name} is not JSON")


def read_lines(path, entity):
    """All lines of a file that are not blank. What is no JSON object is rejected here: it would spoil its batch."""
    lines = []
    with open(path, "rb") as file:
        for number, raw in enumerate(file, 1):
            if not raw.strip():
                continue
            line = Line(path.name, number, "")
            lines.append(line)
            try:
                line.text = raw.decode("utf-8-sig" if number == 1 else "utf-8").strip()
                value = json.loads(line.text, parse_constant=refuse_constant)
                if not isinstance(value, dict):
                    raise ValueError("not a JSON object")
                if isinstance(value.get("type"), str):
                    line.kind = value["type"]
                # The line goes out as it was written: numbers keep every digit.
                line.text = f'{{"op":"upsert","entity":"{entity}","{entity}":{line.text}}}'
            except (ValueError, RecursionError) as error:
                line.reject("UNREADABLE_LINE", str(error) or "nested too deeply")
    return lines


def batches(lines, size):
    """As many lines to a request as the server takes."""
    batch, length = [], 0
    for line in lines:
        if line.outcome != "not sent":
            continue
        bytes_ = len(line.text.encode()) + 1
        if batch and (len(batch) == size or length + bytes_ > MAX_BYTES):
            yield batch
            batch, length = [], 0
        batch.append(line)
        length += bytes_
    if batch:
        yield batch


class Server:
    """The API as somebody who is logged in, and who waits when told to."""

    def __init__(self, url, email=None, password=None, token=None, say=print):
        self.url = url.rstrip("/")
        self.email, self.password, self.token = email, password, token
        self.refresh_token = None
        self.refusals = 0
        self.say = say
        # A proxy of the environment does not know what this machine calls itself.
        local = urllib.parse.urlsplit(self.url).hostname in ("localhost", "127.0.0.1", "::1")
        self.opener = urllib.request.build_opener(*[urllib.request.ProxyHandler({})] if local else [])

    def log_in(self):
        """A new token, by the refresh token if there is one, else by the password."""
        if self.refresh_token:
            refresh, self.refresh_token = self.refresh_token, None
            try:
                return self.take_tokens(self.post("/api/v1/auth/refresh", {"refresh_token": refresh}))
            except Refused:
                pass
        if not self.password:
            raise GiveUp("the token or API key is not valid (any more); get a new one, or give --email and --password-file")
        try:
            self.take_tokens(self.post("/api/v1/auth/login", {"email": self.email, "password": self.password}))
        except Refused as refused:
            raise GiveUp(f"cannot log in as {self.email}: {refused}") from refused

    def take_tokens(self, answer):
        self.token, self.refresh_token = answer["access_token"], answer.get("refresh_token")

    def bulk(self, texts):
        """Sends operations; the results, one each."""
        body = '{"atomic":false,"operations":[' + ",".join(texts) + "]}"
        # The same key at every attempt: if an answer is lost on the way, the next attempt gets that same answer.
        headers = {"Idempotency-Key": str(uuid.uuid4())}
        if not self.token:
            self.log_in()
        logged_in_anew = False
        while True:
            try:
                headers["Authorization"] = f"Bearer {self.token}"
                return self.post(BULK, body, headers)["results"]
            except KeyError as problem:
                raise GiveUp(f"{self.url} answers, but not as Arc Zero does") from problem
            except Refused as refused:
                if refused.status != 401:
                    raise
                if logged_in_anew:
                    raise GiveUp(f"logged in, and refused all the same: {refused}") from refused
                logged_in_anew = True
                self.log_in()

    def post(self, path, body, headers=None):
        """The answer to a request. Waits out limits, overload and restarts; raises Refused for everything else."""
        data = (body if isinstance(body, str) else json.dumps(body)).encode()
        failures = 0
        while True:
            request = urllib.request.Request(self.url + path, data, {"Content-Type": "application/json", **(headers or {})})
            try:
                with self.opener.open(request, timeout=TIMEOUT_SECONDS) as response:
                    return json.load(response)
            except urllib.error.HTTPError as answer:
                error, wait = self.error_of(answer), self.retry_after(answer)
                status = answer.code
                if status == 429:
                    self.limited(path, error, wait)
                    continue
                if status not in (502, 503) and error.get("code") != "IDEMPOTENCY_IN_PROGRESS":
                    raise Refused(status, error) from answer
                problem = f"{status} {error.get('message', '')}".strip()
            except (OSError, http.client.HTTPException, ValueError) as failure:
                problem, wait = str(getattr(failure, "reason", failure)) or type(failure).__name__, None
            failures += 1
            if failures == ATTEMPTS:
                raise GiveUp(f"{self.url} does not answer: {problem}")
            wait = wait if wait is not None else min(2 ** (failures - 1), 30)
            self.say(f"{self.url}: {problem}; again in {wait} s")
            time.sleep(wait)

    def limited(self, path, error, wait):
        """Says which setting of the server holds us up, and waits as long as the server asks for."""
        setting = "RATE_LIMIT_BULK" if path == BULK else "RATE_LIMIT_AUTH"
        # Quotas are per hour: without word from the server, a minute is a polite guess.
        wait = 60 if wait is None else max(wait, 1)
        # Given at the top of the error or among its details.
        told = {**error, **(error.get("details") if isinstance(error.get("details"), dict) else {})}
        quota = "/".join(str(told[key]) for key in ("limit", "window") if key in told)
        self.say(f"the server's limit is reached{f' ({quota})' if quota else ''}: waiting {wait} s. "
                 f"To load faster, start it with a higher {setting}, for example {setting}=10000/h"
                 + (", or have an admin give the API key a quota of its own" if (self.token or "").startswith("az_") else ""))
        time.sleep(wait)

    @staticmethod
    def error_of(answer):
        try:
            error = json.load(answer)["error"]
            return error if isinstance(error, dict) else {"message": str(error)}
        except (ValueError, KeyError, TypeError, OSError, http.client.HTTPException):
            return {"message": answer.reason}

    @staticmethod
    def retry_after(answer):
        try:
            return int(answer.headers["Retry-After"])
        except (TypeError, ValueError):
            return None


def send(server, batch):
    """Sends a batch and notes what became of each line.

    A request that is refused as a whole, because one line cannot even be read, is halved until that line stands alone.
    """
    try:
        results = server.bulk([line.text for line in batch])
        server.refusals = 0
    except Refused as refused:
        server.refusals += len(batch) == 1
        if refused.status not in DIVISIBLE or server.refusals == PATIENCE:
            raise GiveUp(f"the server refuses to be loaded: {refused}") from refused
        if len(batch) > 1:
            send(server, batch[: len(batch) // 2])
            send(server, batch[len(batch) // 2 :])
        else:
            batch[0].reject(refused.error.get("code", f"HTTP_{refused.status}"), refused.error.get("message", ""),
                            refused.error.get("field"))
        return
    for position, result in enumerate(results):
        index = result.get("index", position)
        if not (isinstance(index, int) and 0 <= index < len(batch)):
            continue
        line, error = batch[index], result.get("error") or {}
        if result.get("status") in ("created", "updated", "unchanged"):
            line.outcome = result["status"]
        else:
            line.reject(error.get("code", "?"), error.get("message", str(result.get("status"))), error.get("field"))
    for line in batch:
        if line.outcome == "not sent":
            line.reject("NO_RESULT", "the server's answer says nothing about it")


class Progress:
    """One line that moves on a terminal, a line every few seconds elsewhere."""

    def __init__(self, total):
        self.total, self.out, self.began, self.shown = total, sys.stderr, time.monotonic(), 0.0
        self.moves = self.out.isatty()

    def show(self, done, what, last=False):
        now = time.monotonic()
        if not (self.moves or last or now - self.shown >= 5):
            return
        self.shown = now
        seconds = now - self.began
        text = f"{done:,} of {self.total:,} lines, {what}, {done / max(seconds, 0.001):,.0f} a second, {seconds:,.0f} s"
        end = "\n" if last or not self.moves else ""
        self.out.write(f"\r\x1b[K{text}{end}" if self.moves else f"{text}{end}")
        self.out.flush()

    def say(self, text):
        self.out.write(f"\r\x1b[K{text}\n" if self.moves else f"{text}\n")
        self.out.flush()


def account(files):
    """The table at the end, per type, and the reasons. True if everything was accepted."""
    everything = [line for _, lines in files for line in lines]
    width = max([len("relationships.jsonl")] + [min(len(line.kind), 40) + 2 for line in everything])
    print(f"{'':{width}}" + "".join(f"{head:>11}" for head in ("lines", *OUTCOMES)))

    def row(name, lines):
        counts = collections.Counter(line.outcome for line in lines)
        assert sum(counts[outcome] for outcome in OUTCOMES) == len(lines)
        print(f"{name[:width]:{width}}" + "".join(f"{n:>11,}" for n in (len(lines), *(counts[o] for o in OUTCOMES))))

    for name, lines in files:
        row(name, lines)
        for kind in sorted({line.kind for line in lines}):
            row(f"  {kind}", [line for line in lines if line.kind == kind])
    row("all", everything)

    reasons = collections.defaultdict(list)
    for line in everything:
        if line.reason:
            reasons[(line.kind, line.reason[0])].append(line)
    if reasons:
        print("\nrejected:")
    for (kind, code), lines in sorted(reasons.items(), key=lambda item: -len(item[1])):
        print(f"  {len(lines):,} {kind}: {code}")
        for line in lines[:3]:
            print(f"    {line.where()}: {line.reason[1]}")
        if len(lines) > 3:
            print(f"    and {len(lines) - 3:,} more")
    return all(line.outcome in ("created", "updated", "unchanged") for line in everything)


def load(server, files, size, progress):
    """Cards first, relationships need them. False if it had to give up half-way."""
    done = sum(line.outcome != "not sent" for _, lines in files for line in lines)
    try:
        for name, lines in files:
            for batch in batches(lines, size):
                send(server, batch)
                done += len(batch)
                progress.show(done, name)
    except GiveUp as problem:
        progress.say(f"load-landscape: {problem}")
        return False
    except KeyboardInterrupt:
        progress.say("load-landscape: interrupted")
        return False
    finally:
        progress.show(done, "done", last=True)
    return True


def write_rejects(path, files):
    """Every rejected line with its reason, as JSON lines."""
    with open(path, "w", encoding="utf-8") as out:
        for _, lines in files:
            for line in lines:
                if line.reason:
                    json.dump({"line": line.where(), "type": line.kind, "code": line.reason[0], "message": line.reason[1]}, out)
                    out.write("\n")


def arguments(argv):
    parser = argparse.ArgumentParser(
        prog="load-landscape", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="An API key is taken from ARCHZERO_API_KEY; it needs the scopes cards:write and relationships:*. "
               "Without a key, --token or --email it logs in as the demo user that scripts/run made.")
    parser.add_argument("dir", metavar="DIR", type=pathlib.Path, help="folder with cards.jsonl and relationships.jsonl")
    parser.add_argument("--url", default="http://127.0.0.1:8080", help="the server (default: %(default)s)")
    parser.add_argument("--email", help="log in as")
    parser.add_argument("--password-file", type=pathlib.Path, help="file with the password")
    parser.add_argument("--token", help="access token, instead of a log-in (or in ARCHZERO_TOKEN, where ps does not show it)")
    parser.add_argument("--batch", type=int, default=MAX_OPERATIONS, metavar="N",
                        help=f"lines per request, at most {MAX_OPERATIONS} (default)")
    parser.add_argument("--rejects", type=pathlib.Path, metavar="FILE", help="write every rejected line and its reason there")
    args = parser.parse_args(argv)
    if not 1 <= args.batch <= MAX_OPERATIONS:
        parser.error(f"--batch is to be 1 to {MAX_OPERATIONS}")
    if not args.url.startswith(("http://", "https://")):
        parser.error("--url is to begin with http:// or https://")
    if bool(args.email) != bool(args.password_file):
        parser.error("--email and --password-file go together")
    if not args.email:
        # A key goes where a token goes. What was said on the command line counts first.
        args.token = args.token or os.environ.get("ARCHZERO_API_KEY") or os.environ.get("ARCHZERO_TOKEN")
        demo = os.environ.get("ARCHZERO_DEMO_PASSWORD_FILE", "")
        if not args.token and os.path.exists(demo):
            args.email, args.password_file = DEMO_EMAIL, pathlib.Path(demo)
        elif not args.token:
            parser.error("give --email and --password-file, --token or ARCHZERO_API_KEY (scripts/run has not made a demo user here)")
    args.files = [(args.dir / "cards.jsonl", "card"), (args.dir / "relationships.jsonl", "relationship")]
    if not any(path.exists() for path, _ in args.files):
        parser.error(f"{args.dir} has neither cards.jsonl nor relationships.jsonl")
    return args


def main(argv):
    args = arguments(argv)
    try:
        password = args.password_file.read_text(encoding="utf-8").strip() if args.password_file else None
        files = [(path.name, read_lines(path, entity)) for path, entity in args.files if path.exists()]
    except OSError as problem:
        sys.exit(f"load-landscape: {problem}")
    progress = Progress(sum(len(lines) for _, lines in files))
    server = Server(args.url, args.email, password, args.token, progress.say)
    complete = load(server, files, args.batch, progress)
    all_accepted = account(files)
    if args.rejects:
        write_rejects(args.rejects, files)
    return 0 if complete and all_accepted else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
