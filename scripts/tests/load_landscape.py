"""Tests of scripts/load_landscape.py against a stand-in for the server, which follows the bulk contract."""

import http.server
import io
import json
import pathlib
import sys
import tempfile
import threading
import unittest
from unittest import mock

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
import load_landscape  # noqa: E402


class StandIn(http.server.BaseHTTPRequestHandler):
    """Knows cards by type and name, and does what `script` says before anything else."""

    def log_message(self, *_):
        pass

    def do_POST(self):
        state = self.server.state
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.path == load_landscape.BULK:
            state["keys"].append(self.headers["Idempotency-Key"])
            if state["script"]:
                return self.answer(*state["script"].pop(0))
            if self.headers["Authorization"] != f"Bearer {state['token']}":
                return self.answer(401, {"error": {"code": "INVALID_TOKEN", "message": "expired"}})
            return self.bulk(body)
        state["log_ins"].append((self.path, json.loads(body)))
        if self.path.endswith("refresh") and not state["refreshable"]:
            return self.answer(401, {"error": {"code": "INVALID_TOKEN", "message": "no such session"}})
        if self.path.endswith("login") and json.loads(body)["password"] != "right":
            return self.answer(401, {"error": {"code": "INVALID_CREDENTIALS", "message": "wrong"}})
        state["token"] = f"token{len(state['log_ins'])}"
        return self.answer(200, {"access_token": state["token"], "refresh_token": "r"})

    def bulk(self, body):
        state = self.server.state
        if b"POISON" in body:
            return self.answer(400, {"error": {"code": "INVALID_REQUEST", "message": "cannot read this"}})
        results = []
        for index, operation in enumerate(json.loads(body)["operations"]):
            result = {"index": index, "op": operation["op"], "entity": operation["entity"]}
            thing = operation[operation["entity"]]
            key = json.dumps([thing.get("source"), thing["type"], thing.get("name"), thing.get("target")])
            if thing.get("name") == "bad":
                result |= {"status": "failed", "error": {"code": "VALIDATION_ERROR", "message": "no good", "field": "name"}}
            elif key not in state["known"]:
                result["status"] = "created"
            else:
                result["status"] = "unchanged" if state["known"][key] == thing else "updated"
            state["known"][key] = thing
            results.append(result)
        state["batches"].append(len(results))
        return self.answer(200, {"results": results, "summary": {}})

    def answer(self, status, body, headers=None):
        if status == "hang up":
            self.close_connection = True
            return
        data = json.dumps(body).encode()
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


class Loader(unittest.TestCase):
    def setUp(self):
        self.stand_in = http.server.ThreadingHTTPServer(("127.0.0.1", 0), StandIn)
        self.state = self.stand_in.state = {
            "keys": [], "script": [], "token": "t", "log_ins": [], "refreshable": True, "known": {}, "batches": []}
        threading.Thread(target=self.stand_in.serve_forever, args=(0.01,), daemon=True).start()
        self.addCleanup(self.stand_in.server_close)
        self.addCleanup(self.stand_in.shutdown)
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.dir = pathlib.Path(folder.name)
        (self.dir / "password").write_text("right\n")
        self.slept = []

    def write(self, cards, relationships=()):
        for name, lines in (("cards", cards), ("relationships", relationships)):
            text = "\n".join(line if isinstance(line, str) else json.dumps(line) for line in lines)
            (self.dir / f"{name}.jsonl").write_text(text)

    def load(self, *options, key=None):
        """Exit status, the account by row, everything printed."""
        out = io.StringIO()
        url = f"http://127.0.0.1:{self.stand_in.server_port}"
        if "--token" not in options and not key:
            options += ("--email", "a@b.example", "--password-file", str(self.dir / "password"))
        with mock.patch("sys.stdout", out), mock.patch("sys.stderr", out), mock.patch("time.sleep", self.slept.append), \
                mock.patch.dict("os.environ", {"ARCHZERO_API_KEY": key} if key else {}):
            status = load_landscape.main([str(self.dir), "--url", url, *options])
        table = {}
        for row in out.getvalue().splitlines():
            words = row.split()
            if len(words) == 7 and all(word.replace(",", "").isdigit() for word in words[1:]):
                table[words[0]] = [int(n.replace(",", "")) for n in words[1:]]
        return status, table, out.getvalue()

    cards = [{"type": "Application", "name": f"a{n}"} for n in range(5)]
    edge = {"source": cards[0], "type": "RELIES_ON", "target": cards[1]}

    def test_an_api_key_from_the_environment(self):
        self.write(self.cards, [self.edge])
        self.state["token"] = "az_key"
        status, table, text = self.load(key="az_key")
        self.assertEqual((status, table["all"]), (0, [6, 6, 0, 0, 0, 0]))
        self.assertEqual(self.state["log_ins"], [])
        self.assertNotIn("az_key", text)
        # One that is not accepted is not tried again and again.
        status, table, text = self.load(key="az_other")
        self.assertEqual((status, table["all"]), (1, [6, 0, 0, 0, 0, 6]))
        self.assertIn("not valid", text)
        self.assertNotIn("az_other", text)
        # A limit is one that an admin can raise for this key alone.
        self.state["script"] = [(429, {"error": {"code": "RATE_LIMIT_EXCEEDED"}}, {"Retry-After": "3"})]
        status, _, text = self.load(key="az_key")
        self.assertEqual((status, self.slept), (0, [3]))
        self.assertIn("give the API key a quota of its own", text)

    def test_twice_changes_nothing(self):
        self.write(self.cards, [self.edge])
        status, table, _ = self.load()
        self.assertEqual((status, table["Application"], table["all"]), (0, [5, 5, 0, 0, 0, 0], [6, 6, 0, 0, 0, 0]))
        status, table, _ = self.load()
        self.assertEqual((status, table["RELIES_ON"], table["all"]), (0, [1, 0, 0, 1, 0, 0], [6, 0, 0, 6, 0, 0]))

    def test_every_field_goes_through_as_written(self):
        self.write(['{"type":"Application","name":"x","attributes":{"cost":1.10},"valid_to":"2030-01-01"}'])
        self.load()
        self.assertEqual(list(self.state["known"].values())[0]["valid_to"], "2030-01-01")
        self.write(['{"type":"Application","name":"x","attributes":{"cost":1.20},"valid_to":"2030-01-01"}'])
        self.assertEqual(self.load()[1]["all"], [1, 0, 1, 0, 0, 0])

    def test_batches_are_as_large_as_asked(self):
        self.write(self.cards, [self.edge])
        self.load("--batch", "2")
        self.assertEqual(self.state["batches"], [2, 2, 1, 1])

    def test_rejected_lines_are_named(self):
        self.write([*self.cards, {"type": "Application", "name": "bad"}, "", "{broken", "[1]", '{"type":NaN}', "[" * 100000])
        status, table, text = self.load()
        self.assertEqual((status, table["Application"], table["all"]), (1, [6, 5, 0, 0, 1, 0], [10, 5, 0, 0, 5, 0]))
        self.assertIn("cards.jsonl:6: name: no good", text)
        self.assertIn("cards.jsonl:8:", text)

    def test_one_line_that_spoils_its_batch_is_found(self):
        self.write([*self.cards, {"type": "Application", "name": "POISON"}, {"type": "Provider", "name": "p"}])
        status, table, text = self.load()
        self.assertEqual((status, table["all"]), (1, [7, 6, 0, 0, 1, 0]))
        self.assertIn("cards.jsonl:6: cannot read this", text)

    def test_a_server_that_refuses_everything_is_left_alone(self):
        self.write([{"type": "Application", "name": f"POISON{n}"} for n in range(500)])
        status, table, _ = self.load()
        self.assertEqual((status, table["all"][5] > 400, len(self.state["keys"]) < 100), (1, True, True))

    def test_a_limit_is_obeyed_and_explained(self):
        self.write(self.cards)
        self.state["script"] = [
            (429, {"error": {"code": "RATE_LIMIT_EXCEEDED", "message": "", "details": {"limit": 5, "window": "h"}}},
             {"Retry-After": "720"})]
        status, _, text = self.load()
        self.assertEqual((status, self.slept), (0, [720]))
        self.assertIn("RATE_LIMIT_BULK", text)
        self.assertIn("5/h", text)

    def test_an_outage_is_waited_out_with_the_same_key(self):
        self.write(self.cards)
        self.state["script"] = [(503, {"error": {"message": "x"}}, {"Retry-After": "3"}), (502, {}), ("hang up", None)]
        status, table, _ = self.load("--token", "t")
        self.assertEqual((status, table["all"], self.slept), (0, [5, 5, 0, 0, 0, 0], [3, 2, 4]))
        self.assertEqual(len(set(self.state["keys"])), 1)

    def test_a_server_that_stays_away_ends_it_with_an_account(self):
        self.write(self.cards)
        self.state["script"] = [(503, {})] * 50
        status, table, _ = self.load()
        self.assertEqual((status, table["all"]), (1, [5, 0, 0, 0, 0, 5]))

    def test_an_expired_token_is_refreshed_or_the_log_in_repeated(self):
        for refreshable, path in ((True, "refresh"), (False, "login")):
            self.write(self.cards, [self.edge])
            self.state |= {"refreshable": refreshable, "log_ins": [], "script": [
                (401, {"error": {"code": "INVALID_TOKEN", "message": "expired"}})]}
            self.assertEqual(self.load()[0], 0)
            self.assertIn(path, self.state["log_ins"][-1][0])

    def test_a_token_alone_cannot_be_renewed(self):
        self.write(self.cards)
        status, table, text = self.load("--token", "old")
        self.assertEqual((status, table["all"]), (1, [5, 0, 0, 0, 0, 5]))
        self.assertIn("token", text)

    def test_a_wrong_password_is_told(self):
        (self.dir / "password").write_text("wrong")
        self.write(self.cards)
        status, _, text = self.load()
        self.assertEqual(status, 1)
        self.assertIn("cannot log in as a@b.example", text)

    def test_rejects_are_written_out(self):
        self.write([{"type": "Application", "name": "bad"}])
        self.load("--rejects", str(self.dir / "rejects"))
        self.assertEqual(json.loads((self.dir / "rejects").read_text())["line"], "cards.jsonl:1")


if __name__ == "__main__":
    unittest.main()
