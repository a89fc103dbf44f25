"""The questions of a landscape asked one by one: finding cards, facets, searches, similar cards, times past. Part of
scripts/bench.py.

Each is asked COUNT times over one kept-alive connection after some that warm up, or for SECONDS if that takes longer, then as
often by CLIENTS at once. A time is that of
the whole request, as a client sees it; processor time is that of the server and of all of Postgres, per request.
"""

import collections
import datetime
import http.client
import json
import random
import re
import threading
import time
import urllib.parse

WARM_UP = 10
COUNT = 200
SECONDS = 4
CLIENTS = 8
# Whole landscapes are put together for these.
COLD = 3
SINGLE = "asked one by one"

Row = collections.namedtuple("Row", "p50 p95 own_ms postgres_ms busy_p50 busy_p95 per_second")
Words = collections.namedtuple("Words", "one prefix typo three letters cards applications hosting tags")

ORACLE = {"related": {"type": "RELIES_ON", "to": "ITComponent", "where": {"vendor": "Oracle"}}}
# Applications that rely on a component of Oracle and support a capability that no other application supports.
NESTED = {
    "all": [
        ORACLE,
        {
            "related": {
                "type": "SUPPORTS",
                "to": "BusinessCapability",
                "where": {"related": {"type": "SUPPORTS", "direction": "in", "other": True, "quantifier": "none"}},
            }
        },
    ]
}


def words_of(bench, database):
    """Texts that are there to be found, in a random order that is the same in every run."""
    rows = bench.sql(
        database,
        "select name || ' ' || coalesce(description, '') from cards where deleted_at is null and type = 'Application' order by id limit 3000",
    ).splitlines()
    chance = random.Random(1)
    of_card = [re.findall(r"[A-Za-z]{5,}", row) for row in rows]
    of_card = [words for words in of_card if len(words) >= 3]
    chance.shuffle(of_card)
    of_card = of_card[:COUNT]
    one = [words[0] for words in of_card]

    def misspelt(word):
        at = chance.randrange(1, len(word) - 2)
        return word[:at] + word[at + 1] + word[at] + word[at + 2 :]

    ids = lambda where: bench.sql(
        database, f"select id from cards where deleted_at is null {where} order by md5(id::text) limit 300"
    ).split()
    return Words(
        one=one,
        prefix=[word[:3] for word in one],
        typo=[misspelt(word) for word in one],
        three=[" ".join(chance.sample(words, 3)) for words in of_card],
        letters="aceimoprst",
        cards=ids(""),
        applications=ids("and type = 'Application'"),
        hosting=("SaaS", "PaaS", "IaaS", "On-Premise", "Cloud Native"),
        tags=("core", "regional", "legacy", "cloud", "critical", "gdpr", "sox", "pilot"),
    )


def questions(words):
    """Name, and the request of the n-th time: path, or path and body."""
    pick = lambda values, n: urllib.parse.quote(values[n % len(values)])
    hosting = lambda n: f"filter=attributes.hosting_type:eq:{pick(words.hosting, n)}"
    query = lambda **body: ("/cards/query", {"types": ["Application"], "limit": 50, **body})
    return {
        "query: on a component of Oracle": lambda n: query(where=ORACLE),
        "… by cursor, without total": lambda n: query(where=ORACLE, cursor=""),
        "query: two conditions, one nested": lambda n: query(where=NESTED),
        "query: capabilities without applications": lambda n: query(
            types=["BusinessCapability"],
            where={"related": {"type": "SUPPORTS", "direction": "in", "quantifier": "none"}},
        ),
        "query: at least five related": lambda n: query(where={"related": {"type": "RELIES_ON", "min": 5}}),
        "facets of everything": lambda n: "/cards/facets",
        "facets of applications with a tag": lambda n: f"/cards/facets?type=Application&tags={pick(words.tags, n)}",
        "facet of an attribute": lambda n: "/cards/facets?type=Application&facet=attributes.hosting_type",
        "facets under a condition": lambda n: f"/cards/facets?type=Application&{hosting(n)}",
        "facets of a search": lambda n: f"/cards/facets?search={pick(words.one, n)}",
        "search: one word": lambda n: f"/cards?search={pick(words.one, n)}",
        "search: prefix of three letters": lambda n: f"/cards?search={pick(words.prefix, n)}",
        "search: typo": lambda n: f"/cards?search={pick(words.typo, n)}",
        "search: three words": lambda n: f"/cards?search={pick(words.three, n)}",
        "search: one word, type and fit": lambda n: f"/cards?search={pick(words.one, n)}&type=Application&functional_fit=3",
        "search: one word and an attribute": lambda n: f"/cards?search={pick(words.one, n)}&type=Application&{hosting(n)}",
        "search: one letter": lambda n: f"/cards?search={pick(words.letters, n)}",
        "… and an attribute": lambda n: f"/cards?search={pick(words.letters, n)}&{hosting(n)}",
        "… by date of change": lambda n: f"/cards?search={pick(words.letters, n)}&sort=updated_at&order=desc",
        "/search: one word": lambda n: f"/search?q={pick(words.one, n)}",
        "similar cards": lambda n: f"/cards/{pick(words.cards, n)}/similar",
        "similar applications": lambda n: f"/cards/{pick(words.applications, n)}/similar",
    }


def past_questions(words, instant):
    """The same, of an instant; the first puts a graph together, the third a state of all cards."""
    known = f"known_at={urllib.parse.quote(instant)}"
    pick = lambda values, n: values[n % len(values)]
    return {
        "known_at: impact": lambda n: f"/graph/impact/{pick(words.applications, n)}?max_depth=5&{known}",
        "known_at: fan-in": lambda n: f"/graph/fan-in/{pick(words.applications, n)}?{known}",
        "known_at: applications, with total": lambda n: f"/cards?type=Application&limit=50&{known}",
    }


def names():
    """Of everything that is asked."""
    words = Words(*[["x"]] * len(Words._fields))
    return [*questions(words), *past_questions(words, "")]


class Asker:
    """One client with a connection of its own."""

    def __init__(self, port, token):
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=300)
        self.headers = {"Content-Type": "application/json", "Authorization": f"Bearer {token}"}

    def ask(self, request, method=None):
        """The milliseconds it took, the answer and its headers; anything but success is an error."""
        path, body = request if isinstance(request, tuple) else (request, None)
        method = method or ("GET" if body is None else "POST")
        text = None if body is None else json.dumps(body)
        began = time.perf_counter()
        self.connection.request(method, "/api/v1" + path, body=text, headers=self.headers)
        answer = self.connection.getresponse()
        content = answer.read()
        took = (time.perf_counter() - began) * 1000
        if answer.status not in (200, 201):
            raise RuntimeError(f"{method} {path} answers {answer.status}: {content[:500]!r}")
        return took, content, answer.headers


def ranks(times):
    times.sort()
    return times[len(times) // 2], times[min(len(times) - 1, len(times) * 95 // 100)]


class Questions:
    def __init__(self, bench, database, token, pid, cpu_ms, postgres_cpu_ms):
        self.token, self.port, self.say = token, bench.o.port, bench.report
        self.own = lambda: cpu_ms(pid)
        self.postgres = lambda: postgres_cpu_ms(bench.o.postmaster)
        self.words = words_of(bench, database)
        self.asker = Asker(self.port, token)

    def measured(self, name, request):
        for n in range(WARM_UP):
            self.asker.ask(request(n + COUNT))
        own, postgres, times, end = self.own(), self.postgres(), [], time.monotonic() + SECONDS
        while len(times) < COUNT and time.monotonic() < end:
            times.append(self.asker.ask(request(len(times)))[0])
        own, postgres, count = self.own() - own, self.postgres() - postgres, len(times)
        row = Row(*ranks(times), own / count, postgres / count, *self.busy(request, count))
        self.say(f"  {name:42} {row.p50:8.2f} {row.p95:8.2f} ms  {row.own_ms:7.2f} + {row.postgres_ms:.2f} ms CPU  at once {row.busy_p95:8.2f} ms")
        return row

    def busy(self, request, count):
        """The same by several clients at once."""
        times, failed = [], []

        def client(at):
            try:
                asker = Asker(self.port, self.token)
                times.extend([asker.ask(request(n))[0] for n in range(at, count, CLIENTS)])
            except Exception as error:  # noqa: BLE001 - handed on to the thread that waits
                failed.append(error)

        clients = [threading.Thread(target=client, args=(at,)) for at in range(CLIENTS)]
        began = time.perf_counter()
        for thread in clients:
            thread.start()
        for thread in clients:
            thread.join()
        if failed:
            raise failed[0]
        return *ranks(times), len(times) / (time.perf_counter() - began)

    def all(self, only):
        # What was filled in is sealed first; that work would be counted among the questions.
        self.new_instant()
        rows = {name: self.measured(name, request) for name, request in questions(self.words).items() if only in name}
        if any(only in name for name in past_questions(self.words, "")):
            rows |= self.past(only)
        return rows

    def past(self, only):
        """Instants that nobody asked about before, and then one of them again and again."""
        cold, instant = collections.defaultdict(list), None
        for _ in range(COLD):
            instant = self.new_instant()
            for name, request in past_questions(self.words, instant).items():
                own, postgres = self.own(), self.postgres()
                took = self.asker.ask(request(0))[0]
                cold[name].append((took, self.own() - own, self.postgres() - postgres))
        rows = {}
        for name, request in past_questions(self.words, instant).items():
            if only not in name:
                continue
            if "fan-in" not in name:
                times, own, postgres = (sorted(values) for values in zip(*cold[name]))
                rows[f"{name}, cold"] = Row(times[COLD // 2], times[-1], own[COLD // 2], postgres[COLD // 2], None, None, None)
                cold_row = rows[f"{name}, cold"]
                self.say(f"  {name + ', cold':42} {cold_row.p50:8.0f} {cold_row.p95:8.0f} ms  {cold_row.own_ms:7.0f} + {cold_row.postgres_ms:.0f} ms CPU")
            rows[name] = self.measured(name, request)
        return rows

    def new_instant(self):
        """An instant behind a change, once it is sealed: before that it would mean an earlier seal."""
        card = self.words.cards[0]
        change = {"description": f"Changed by a measurement, {time.time()}"}
        self.asker.ask((f"/cards/{card}", change), "PATCH")
        version = json.loads(self.asker.ask(f"/cards/{card}")[1])["version"]
        deadline = time.monotonic() + 300
        while time.monotonic() < deadline:
            instant = datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
            # A clock of the database that is behind this one takes it for the future.
            time.sleep(0.05)
            try:
                _, content, headers = self.asker.ask(f"/cards/{card}?known_at={urllib.parse.quote(instant)}")
            except RuntimeError:
                continue
            if json.loads(content)["version"] == version:
                return headers["X-Arc-Known-At"].split(";")[0]
        raise RuntimeError("a change was not sealed within five minutes")


def table(landscapes, aligned, number):
    """Times at the largest landscape, with what grows beside."""
    sizes = [size for size, _ in landscapes]
    header = [SINGLE, "p50 ms", "p95 ms", "server CPU ms", "Postgres CPU ms", f"{CLIENTS} at once: p95 ms", "req/s"]
    header += [f"p95 at {size:,}" for size in sizes[1:]] + [f"CPU at {size:,}" for size in sizes[1:]]
    cell = lambda value: "" if value is None else number(value)
    rows = []
    for name, row in landscapes[0][1].items():
        others = [rows_of.get(name) for _, rows_of in landscapes[1:]]
        rows.append(
            [name, *map(cell, (row.p50, row.p95, row.own_ms, row.postgres_ms, row.busy_p95, row.per_second))]
            + [cell(other and other.p95) for other in others]
            + [cell(other and other.own_ms + other.postgres_ms) for other in others]
        )
    return aligned(header, rows)
