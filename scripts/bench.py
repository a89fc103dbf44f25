"""Measures a release build of the server beside floors and prints one table. Called by scripts/bench, which says what
it is for, makes the databases and passes everything by name.

Processor time comes from /proc/PID/stat. That of Postgres is the sum over all its processes; those that ended are in
the postmaster's account of its children.
"""

import argparse
import collections
import contextlib
import http.client
import json
import os
import pathlib
import platform
import resource
import signal
import statistics
import subprocess
import sys
import time

import bench_questions

TICK_MS = 1000 / os.sysconf("SC_CLK_TCK")
CONNECTIONS = (1, 16, 64)
# Asked one by one for what the server says of itself.
SAMPLE = 300
# So many nodes at most, with the root.
LIMIT = 999
OPERATIONS = (
    "get card", "list by tag", "list by attribute", "query related", "facets", "facets of an attribute",
    "facets under a filter", "create card", "patch card", "bulk create of 100",
    "traverse", "traverse from hubs", "impact", "impact of hubs",
)
IDS = {
    "cards": "select id from cards where deleted_at is null order by random() limit 5000",
    "applications": "select id from cards where type = 'Application' and deleted_at is null order by random() limit 5000",
    "hubs": "select target_id from relationships where status = 'active' group by 1 order by count(*) desc limit 7",
    "ordinary": """select id from cards where deleted_at is null and id not in (
        select target_id from relationships where status = 'active' group by 1 order by count(*) desc limit 7)
        order by random() limit 2000""",
}
# What an insert could least cost: a row of a card's size, one index, one statement, one commit.
FLOOR_TABLE = """create table if not exists floor_rows (id uuid primary key, name text not null, description text,
    attributes jsonb not null, created_at timestamptz not null default now())"""
FLOOR_INSERT = """insert into floor_rows (id, name, description, attributes) values (gen_random_uuid(), 'Measured',
    'Made by a measurement.', '{"hosting_type":"SaaS","vendor":"Vendor 7"}');"""

Cell = collections.namedtuple("Cell", "per_second p50 p95 p99 own_ms postgres_ms")
Sample = collections.namedtuple("Sample", "answers cut nodes p50 p95 whole_p50 whole_p95")


def say(text):
    print(text, file=sys.stderr, flush=True)


def fields_of(pid):
    """The fields of /proc/PID/stat behind the program's name, or None when the process is gone."""
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None


def cpu_ms(pid):
    fields = fields_of(pid)
    return (int(fields[11]) + int(fields[12])) * TICK_MS if fields else 0.0


def postgres_cpu_ms(postmaster):
    """All processes of the cluster, with the children that ended and were collected."""
    fields = fields_of(postmaster)
    total = sum(int(field) for field in fields[11:15]) * TICK_MS
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            fields = fields_of(entry)
            if fields and fields[1] == str(postmaster):
                total += (int(fields[11]) + int(fields[12])) * TICK_MS
    return total


def memory_mb(pid):
    """Resident now, and the most it ever was."""
    status = pathlib.Path(f"/proc/{pid}/status").read_text()
    values = dict(line.split(":", 1) for line in status.splitlines())
    return [int(values[key].split()[0]) / 1024 for key in ("VmRSS", "VmHWM")]


def at_rank(sorted_values, percent):
    return sorted_values[min(len(sorted_values) - 1, len(sorted_values) * percent // 100)] if sorted_values else 0.0


def checked(command, **more):
    done = subprocess.run(command, capture_output=True, text=True, **more)
    if done.returncode != 0:
        sys.exit(f"bench: {' '.join(map(str, command[:3]))} … failed:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    return done.stdout


class Bench:
    def __init__(self, options):
        self.o = options
        self.runs = 0
        self.work = options.work
        self.report = say

    def sql(self, database, statement):
        return checked([self.o.psql, "-qXAt", "-v", "ON_ERROR_STOP=1", "-c", statement, f"{self.o.database_url}/{database}"])

    # ---- programs under measurement ---------------------------------------------------------------------------------

    @contextlib.contextmanager
    def running(self, command, path, environment=None):
        """A program until it answers on `path`; yields it and the seconds that took."""
        with open(self.work / "program.log", "ab") as log:
            began = time.monotonic()
            program = subprocess.Popen(command, cwd=self.work, env=environment, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        try:
            while self.status(path) != 200:
                if program.poll() is not None or time.monotonic() - began > 60:
                    tail = (self.work / "program.log").read_text(errors="replace")[-2000:]
                    sys.exit(f"bench: {command[0]} is not there after {time.monotonic() - began:.0f} s:\n{tail}")
                time.sleep(0.01)
            yield program, time.monotonic() - began
        finally:
            program.send_signal(signal.SIGTERM)
            try:
                program.wait(40)
            except subprocess.TimeoutExpired:
                program.kill()
                program.wait()
            (self.work / "program.log").unlink(missing_ok=True)

    def status(self, path):
        connection = http.client.HTTPConnection("127.0.0.1", self.o.port, timeout=5)
        try:
            connection.request("GET", path)
            return connection.getresponse().status
        except OSError:
            return None
        finally:
            connection.close()

    def server(self, database):
        # As in production, logs and limits included; the limits are only too wide to be met.
        wide = dict.fromkeys(("STANDARD", "EXPENSIVE", "AUTH", "BULK"), "1000000000/h")
        environment = {
            "PATH": os.environ["PATH"],
            "APP_ENV": "production",
            "DATABASE_URL": f"{self.o.database_url}/{database}",
            "JWT_SECRET": os.urandom(32).hex(),
            "JWT_ACCESS_TOKEN_EXPIRY": "86400",
            "API_HOST": "127.0.0.1",
            "API_PORT": str(self.o.port),
            "API_BASE_URL": f"http://127.0.0.1:{self.o.port}",
            "METRICS_PORT": str(self.o.metrics_port),
            **{f"RATE_LIMIT_{name}": quota for name, quota in wide.items()},
        }
        return self.running([self.o.server], "/health/ready", environment)

    # ---- measurements -----------------------------------------------------------------------------------------------

    def cell(self, operation, connections, pid):
        self.wrk(operation, connections, 1, pid, quiet=True)
        return self.wrk(operation, connections, self.o.seconds, pid)

    def wrk(self, operation, connections, seconds, pid, quiet=False):
        self.runs += 1
        command = [
            "wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "30s", "-s", self.o.lua,
            f"http://127.0.0.1:{self.o.port}", "--", operation, self.work, str(self.runs),
        ]  # fmt: skip
        own, postgres = cpu_ms(pid), postgres_cpu_ms(self.o.postmaster)
        out = checked(command)
        own, postgres = cpu_ms(pid) - own, postgres_cpu_ms(self.o.postmaster) - postgres
        result = [line.split()[1:] for line in out.splitlines() if line.startswith("RESULT ")]
        if not result:
            sys.exit(f"bench: wrk reported nothing:\n{out}")
        requests, duration, p50, p95, p99, refused, broken = map(int, result[0])
        if refused or broken or not requests:
            log = (self.work / "program.log").read_text(errors="replace").splitlines()
            said = [line for line in log if '"level":"ERROR"' in line or '"status":5' in line or '"level":"WARN"' in line]
            said = "\n".join(line[:1000] for line in said[-5:])
            sys.exit(f"bench: {operation}: of {requests} answers {refused} were errors, {broken} did not arrive\n{said}")
        cell = Cell(requests / duration * 1e6, p50 / 1e3, p95 / 1e3, p99 / 1e3, own / requests, postgres / requests)
        if not quiet:
            say(f"  {operation:20} {connections:3}  {cell.per_second:9.1f}/s  {cell.p50:8.2f} {cell.p95:8.2f} {cell.p99:8.2f} ms")
        return cell

    def pgbench(self, name, script, connections, database):
        for old in self.work.glob("pgbench_log.*"):
            old.unlink()
        command = [
            self.o.pgbench, "-n", "-M", "prepared", *script, "-c", str(connections), "-j", "1", "-T", str(self.o.seconds),
            "-l", "--log-prefix", self.work / "pgbench_log", f"{self.o.database_url}/{database}",
        ]  # fmt: skip
        used = lambda: sum(resource.getrusage(resource.RUSAGE_CHILDREN)[:2]) * 1000
        own, postgres = used(), postgres_cpu_ms(self.o.postmaster)
        checked(command, cwd=self.work)
        own, postgres = used() - own, postgres_cpu_ms(self.o.postmaster) - postgres
        times = sorted(
            int(line.split()[2]) / 1e3 for log in self.work.glob("pgbench_log.*") for line in log.read_text().splitlines()
        )
        cell = Cell(
            len(times) / self.o.seconds, *(at_rank(times, rank) for rank in (50, 95, 99)), own / len(times), postgres / len(times)
        )
        say(f"  {name:20} {connections:3}  {cell.per_second:9.1f}/s  {cell.p50:8.2f} {cell.p95:8.2f} {cell.p99:8.2f} ms")
        return cell

    def floors(self, database):
        """What the same machine does with next to no program around it."""
        cells = {}
        checked([self.o.pgbench, "-i", "-q", "-s", "1", f"{self.o.database_url}/{database}"])
        self.sql(database, FLOOR_TABLE)
        insert = self.work / "insert.sql"
        insert.write_text(FLOOR_INSERT.replace("\n", " "))
        scripts = {"pgbench select": ["-S"], "pgbench insert": ["-f", insert]}
        with self.running([self.o.floor, f"127.0.0.1:{self.o.port}", f"{self.o.database_url}/{database}"], "/json") as (floor, _):
            for connections in CONNECTIONS:
                cells["floor: axum, JSON", connections] = self.cell("json", connections, floor.pid)
                cells["floor: axum + sqlx, one row", connections] = self.cell("row", connections, floor.pid)
        for connections in CONNECTIONS:
            for name, script in scripts.items():
                cells[f"floor: {name}", connections] = self.pgbench(name, script, connections, database)
        return cells

    def ask(self, connection, method, path, token, body=None):
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {token}"}
        began = time.perf_counter()
        connection.request(method, path, body=body, headers=headers)
        answer = connection.getresponse()
        text = answer.read()
        took = (time.perf_counter() - began) * 1000
        if answer.status not in (200, 201):
            sys.exit(f"bench: {method} {path} answers {answer.status}: {text[:500]!r}")
        return json.loads(text), took

    def sample(self, operation, token):
        """What the server itself says it took; answers that the limit cut were found whole and written in part."""
        ids = (self.work / ("hubs" if "hubs" in operation else "ordinary")).read_text().split()
        connection = http.client.HTTPConnection("127.0.0.1", self.o.port, timeout=60)
        sizes, times, wholes, cut = [], [], [], 0
        for n in range(SAMPLE):
            card = ids[n % len(ids)]
            if operation.startswith("traverse"):
                body = json.dumps({"root_id": card, "depth": 5, "limit_nodes": LIMIT})
                answer, whole = self.ask(connection, "POST", "/api/v1/graph/traverse", token, body)
            else:
                path = f"/api/v1/graph/impact/{card}?max_depth=5&limit_nodes={LIMIT}"
                answer, whole = self.ask(connection, "GET", path, token)
            sizes.append(answer["metadata"]["total_nodes"])
            times.append(answer["metadata"]["execution_time_ms"])
            wholes.append(whole)
            cut += answer["metadata"]["truncated"]
        connection.close()
        times.sort()
        wholes.sort()
        return Sample(
            len(sizes), cut, statistics.median(sizes),
            *(at_rank(values, rank) for values in (times, wholes) for rank in (50, 95)),
        )  # fmt: skip

    def log_in(self):
        password = (self.work / "password").read_text().strip()
        connection = http.client.HTTPConnection("127.0.0.1", self.o.port, timeout=60)
        body = json.dumps({"email": "bench@archzero.example", "password": password})
        answer, _ = self.ask(connection, "POST", "/api/v1/auth/login", "", body)
        connection.close()
        (self.work / "token").write_text(answer["access_token"] + "\n")
        return answer["access_token"]

    def landscape(self, database):
        """Everything about one landscape."""
        for name, query in IDS.items():
            (self.work / name).write_text(self.sql(database, query))
        cells, samples, facts, asked = {}, {}, {}, {}
        with self.server(database) as (server, seconds):
            facts["start"] = seconds
            facts["memory after start"], _ = memory_mb(server.pid)
            token = self.log_in()
            connection = http.client.HTTPConnection("127.0.0.1", self.o.port, timeout=120)
            answers = [self.ask(connection, "GET", "/api/v1/graph/spof", token)[0] for _ in range(3)]
            connection.close()
            facts["spof ms"] = min(answer["metadata"]["execution_time_ms"] for answer in answers)
            questions = bench_questions.Questions(self, database, token, server.pid, cpu_ms, postgres_cpu_ms)
            try:
                asked = questions.all(self.o.only)
            except RuntimeError as error:
                sys.exit(f"bench: {error}")
            for operation in OPERATIONS:
                if self.o.questions or self.o.only not in operation or database == self.o.between:
                    continue
                if operation.startswith(("traverse", "impact")):
                    samples[operation] = self.sample(operation, token)
                for connections in CONNECTIONS:
                    cells[operation, connections] = self.cell(operation, connections, server.pid)
            facts["memory after run"], facts["memory peak"] = memory_mb(server.pid)
        facts["cards after run"] = int(self.sql(database, "select count(*) from cards where deleted_at is null"))
        return cells, samples, facts, asked


# ---- the table ------------------------------------------------------------------------------------------------------


def aligned(header, rows):
    widths = [max(len(row[n]) for row in [header, *rows]) for n in range(len(header))]
    line = lambda row: "| " + " | ".join(
        text.ljust(width) if n == 0 else text.rjust(width) for n, (text, width) in enumerate(zip(row, widths))
    ) + " |"
    rule = "|" + "|".join("-" * (width + 2) if n == 0 else "-" * (width + 1) + ":" for n, width in enumerate(widths)) + "|"
    return "\n".join([line(header), rule, *map(line, rows)])


def number(value):
    return f"{value:,.0f}" if value >= 1000 else f"{value:.1f}" if value >= 100 else f"{value:.2f}" if value >= 1 else f"{value:.3f}"


def table(large, small, sizes):
    header = ["operation", "conns", "req/s", "p50 ms", "p95 ms", "p99 ms", "server CPU ms", "Postgres CPU ms"]
    header += [f"p95 at {sizes[1]:,}", f"CPU at {sizes[1]:,}", "growth"]
    rows = []
    for (operation, connections), cell in large.items():
        row = [operation, str(connections), *map(number, cell)]
        other = small.get((operation, connections))
        if other:
            cpu, other_cpu = cell.own_ms + cell.postgres_ms, other.own_ms + other.postgres_ms
            row += [number(other.p95), number(other_cpu), f"× {cpu / other_cpu:.1f}" if other_cpu else "–"]
        else:
            row += ["", "", ""]
        rows.append(row)
    return aligned(header, rows)


def samples_table(samples):
    header = ["asked one by one", "cards", "answers", "of them cut", "nodes, median"]
    header += ["question p50 ms", "p95 ms", "whole request p50 ms", "p95 ms"]
    rows = [
        [operation, f"{cards:,}", str(s.answers), str(s.cut), f"{s.nodes:,.0f}", *map(number, s[3:])]
        for cards, of in samples
        for operation, s in of.items()
    ]
    return aligned(header, rows)


def facts_table(facts):
    header = ["", *(f"{cards:,} cards" for cards, _ in facts)]
    units = {"start": ("start until ready, with the graph", "s"), "spof ms": ("single points of failure over everything", "ms"),
             "memory after start": ("memory after the start", "MB"), "memory after run": ("memory after the run", "MB"),
             "memory peak": ("memory at most", "MB"), "cards after run": ("cards after the run", "")}  # fmt: skip
    rows = [[f"{text}" + (f", {unit}" if unit else ""), *(number(of[key]) for _, of in facts)] for key, (text, unit) in units.items()]
    return aligned(header, rows)


def machine():
    model = next(
        (line.split(":")[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")), platform.machine()
    )
    return f"{os.cpu_count()} × {model}, load {os.getloadavg()[0]:.1f} before the run"


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("server", "floor", "psql", "pgbench", "lua", "database-url"):
        parser.add_argument(f"--{name}", required=True)
    for name in ("postmaster", "port", "metrics-port", "seconds"):
        parser.add_argument(f"--{name}", required=True, type=int)
    parser.add_argument("--work", required=True, type=pathlib.Path)
    parser.add_argument("--only", default="")
    parser.add_argument("--questions", action="store_true", help="only what is asked one by one")
    parser.add_argument("--between", default="", help="a landscape of which only those are asked")
    parser.add_argument("--landscape", required=True, action="append", help="DATABASE:CARDS:RELATIONSHIPS, the large one first")
    options = parser.parse_args()
    # An operator's Ctrl-C and a `kill` end the programs started here alike.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    landscapes = [text.split(":") for text in options.landscape]
    sizes = [int(cards) for _, cards, _ in landscapes]
    names = [*([] if options.questions else OPERATIONS), *bench_questions.names()]
    if not any(options.only in name for name in names):
        sys.exit(f"bench: --only takes a part of: {', '.join(names)}")

    bench = Bench(options)
    where = machine()
    results = []
    for database, cards, relationships in landscapes:
        say(f"measuring {cards} cards, {relationships} relationships")
        results.append(bench.landscape(database))
    postgres = bench.sql(landscapes[0][0], "show server_version").split()[0]
    print(f"{where}; Postgres {postgres}; {', '.join(f'{cards} cards and {edges} relationships' for _, cards, edges in landscapes)}\n")
    asked = [(size, of[3]) for size, of in zip(sizes, results)]
    if asked[0][1]:
        print(bench_questions.table(asked, aligned, number) + "\n")
    compared = [(size, of) for (database, *_), size, of in zip(landscapes, sizes, results) if database != options.between]
    if not options.questions:
        say("measuring floors")
        floors = bench.floors(landscapes[0][0])
        (_, (large, samples, *_)), (_, (small, *_)) = compared
        print(f"{options.seconds} s per line\n")
        print(table({**floors, **large}, small, [size for size, _ in compared]))
        if samples:
            print("\n" + samples_table([(size, of[1]) for size, of in compared]))
    print("\n" + facts_table([(size, of[2]) for size, of in zip(sizes, results)]))


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
