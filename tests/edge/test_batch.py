"""Scores by the line: in order, whatever is wrong with some of them, and as fast as the caller reads."""

import http.client
import json
import random
import socket
import threading
from contextlib import suppress
from urllib.parse import urlsplit

from app.problems import BODY_TOO_LARGE, INVALID_REQUEST, MALFORMED_BODY
from tests.api.calls import ok
from tests.conftest import ADMIN_KEY
from tests.waiting import PATIENCE, until

BATCH = "/v1/score/batch?question_set=bant"
NDJSON = {"Content-Type": "application/x-ndjson"}
GOOD = {"ratings": {"budget": 4, "need": 5}, "as_of": "2026-07-01T12:00:00Z"}
HEAD = (
    f"POST {BATCH} HTTP/1.1\r\nHost: here\r\nX-API-Key: {ADMIN_KEY}\r\n"
    "Content-Type: application/x-ndjson\r\nTransfer-Encoding: chunked\r\n\r\n"
)


def told(client, text, path=BATCH):
    response = client.post(path, content=text, headers=NDJSON)
    assert response.status_code == 200, response.text
    assert response.headers["content-type"] == "application/x-ndjson"
    return [json.loads(line) for line in response.text.splitlines()]


def test_every_line_has_the_score_of_the_single_endpoint(client):
    lines = [GOOD | {"ratings": {"budget": rating, "need": 6 - rating}} for rating in (1, 2, 3, 4, 5)]
    answers = told(client, "\n".join(map(json.dumps, lines)))
    assert [answer["line"] for answer in answers] == [1, 2, 3, 4, 5]
    for line, answer in zip(lines, answers, strict=True):
        assert answer["score"] == ok(client.post("/v1/score", json={"question_set": "bant", **line}))


def test_every_line_has_the_bytes_of_the_single_endpoint(client):
    """Whatever is rated, open, unknown or not applicable: what many lines share is right for each of them."""
    dice = random.Random(19)
    questions = [
        question["key"]
        for step in ok(client.get("/v1/question-sets/qualifying-a-sale/versions/1"))["definition"]["steps"]
        for question in step["questions"]
    ]
    states = ["not_applicable", "unknown", "open"]
    lines = []
    for _ in range(60):
        asked = dice.sample(questions, dice.randint(0, len(questions)))
        rated = {key: dice.randint(1, 5) for key in asked if dice.random() < 0.9}
        answers = [{"question": key, "state": dice.choice(states)} for key in asked if key not in rated]
        lines.append({"ratings": rated, "answers": answers, "as_of": GOOD["as_of"]})
    content = "\n".join(map(json.dumps, lines))
    response = client.post("/v1/score/batch?question_set=qualifying-a-sale", content=content, headers=NDJSON)
    for number, (line, answer) in enumerate(zip(lines, response.content.splitlines(), strict=True), 1):
        single = client.post("/v1/score", json={"question_set": "qualifying-a-sale", **line})
        assert answer == b'{"line":%d,"score":%s}' % (number, single.content)


def test_a_bad_line_is_one_problem_and_the_others_are_scored(client):
    long = json.dumps({"ratings": {}, "attributes": {"x": "y" * 1_100_000}})
    bad = {
        2: ("{", MALFORMED_BODY),
        4: ('{"ratings": {"budget": 9}}', INVALID_REQUEST),
        5: ('{"ratings": {"budget": 1, "budget": 2}}', MALFORMED_BODY),
        7: ('{"mood": 3}', INVALID_REQUEST),
        8: ("[]", INVALID_REQUEST),
        9: ('{"question_set": "nobodys-set"}', INVALID_REQUEST),
        10: (long, BODY_TOO_LARGE),
        13: ('{"attributes": {"x": NaN}}', MALFORMED_BODY),
    }
    lines = [bad[number][0] if number in bad else json.dumps(GOOD) for number in range(1, 15)]
    lines[2] = " "  # a blank line counts, and has no answer
    answers = {answer["line"]: answer for answer in told(client, "\r\n".join(lines))}
    assert sorted(answers) == [n for n in range(1, 15) if n != 3]
    for number, answer in answers.items():
        if number in bad:
            assert answer["problem"]["type"] == bad[number][1].type, answer
        else:
            assert answer["score"]["rated"] == 2
    assert answers[4]["problem"]["errors"][0]["pointer"] == "/ratings/budget"


def test_what_is_not_utf_8_is_a_bad_line(client):
    answers = told(client, json.dumps(GOOD).encode() + b'\n{"\xff": 1}\n' + json.dumps(GOOD).encode() + b"\n")
    assert [list(answer) for answer in answers] == [["line", "score"], ["line", "problem"], ["line", "score"]]
    assert answers[1]["problem"]["type"] == MALFORMED_BODY.type


def test_nothing_is_answered_to_nothing(client):
    assert told(client, "") == []


def test_another_media_type_and_an_unknown_set_are_refused_before_anything_is_scored(client):
    assert client.post(BATCH, json=GOOD).status_code == 415
    answers = told(client, json.dumps(GOOD), "/v1/score/batch?question_set=nobodys-set")
    assert answers[0]["problem"]["errors"][0]["code"] == "unknown_question_set"


def test_ten_megabytes_of_lines_are_answered_while_they_are_sent(service):
    """Far more than a body may have; who reads while sending is never stopped."""
    line = json.dumps(GOOD | {"attributes": {"note": "x" * 900}}) + "\n"
    count = 10_000
    connection = http.client.HTTPConnection(urlsplit(service.url).netloc, timeout=PATIENCE)
    connection.putrequest("POST", BATCH)
    for name, value in {**NDJSON, "X-API-Key": ADMIN_KEY, "Transfer-Encoding": "chunked"}.items():
        connection.putheader(name, value)
    connection.endheaders()
    chunk = (line * 100).encode()

    def send():
        for _ in range(count // 100):
            connection.send(b"%x\r\n%s\r\n" % (len(chunk), chunk))
        connection.send(b"0\r\n\r\n")

    sending = threading.Thread(target=send)
    sending.start()
    numbers = [json.loads(answer)["line"] for answer in connection.getresponse()]
    sending.join()
    connection.close()
    assert numbers == list(range(1, count + 1))


def test_who_does_not_read_is_not_read_from(service):
    """What is taken before anything is read is what the sockets hold, and not the whole."""
    line = (json.dumps(GOOD) + "\n").encode()
    chunk = b"%x\r\n%s\r\n" % (len(line) * 1000, line * 1000)
    with socket.create_connection((urlsplit(service.url).hostname, urlsplit(service.url).port)) as caller:
        caller.sendall(HEAD.encode())
        caller.settimeout(3)
        sent = 0
        with suppress(TimeoutError):
            while sent < 500 * len(chunk):
                sent += caller.send(chunk)
    assert sent < 20_000_000 < 500 * len(chunk)


def test_who_leaves_stops_the_work(served):
    """The log says that the caller left."""
    line = (json.dumps(GOOD) + "\n").encode()
    chunk = b"%x\r\n%s\r\n" % (len(line) * 1000, line * 1000)
    address = urlsplit(served.url)
    with socket.create_connection((address.hostname, address.port)) as caller:
        caller.sendall(HEAD.encode() + chunk)
        assert caller.recv(20).startswith(b"HTTP/1.1 200")

    def ended():
        return [line["status"] for line in served.lines() if line.get("route") == "/v1/score/batch"]

    assert until(ended) == [499]
