"""A file that is imported in a browser: its columns, its preview, its progress and its rejects."""

import json
import os
import re
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from html import unescape
from io import BytesIO
from pathlib import Path
from threading import Event
from uuid import UUID

import httpx
import pytest
from openpyxl import Workbook, load_workbook
from playwright.sync_api import Page

from app import private_files
from app.inbound.imports import files, worker
from app.inbound.imports.files import KEPT_SECONDS, UploadFolder
from app.problems import NOT_FOUND, Problem
from tests.api.calls import every_page, ok
from tests.conftest import ADMIN_KEY, NewDatabase, Running, serving, settings_for
from tests.edge.process import process
from tests.pages.conftest import NAME, Browse, fields_of, key_with, led_to
from tests.waiting import PATIENCE, until

START = "/prospects/import"
GERMAN = """\
Kundennummer;Firma;Branche;Anzahl Mitarbeiter;Jahresumsatz;Ort
1001;Müller GmbH;Logistik;120;1.200.000,50;Köln
1002;Hafen & Söhne;Handel;vierzig;30 Mio;Bonn
;Ohne Nummer;Handel;12;5;Aachen
1004;Schmidt AG;Industrie;55;7.000.000;Essen
"""


class Import:
    """One import by a browser without scripts."""

    def __init__(self, client: httpx.Client, content: str | bytes, name: str = "accounts.csv") -> None:
        self.client = client
        self.form = fields_of(client.get(START).text, START)
        self.file = {"file": (name, content.encode() if isinstance(content, str) else content)}
        self.sent = client.post(START, data=self.form, files=self.file)
        self.path = self.sent.headers.get("location", "").removesuffix("/columns")

    @property
    def id(self) -> str:
        return self.path.rpartition("/")[2]

    def columns(self) -> dict[str, str]:
        """The fields of the form for the columns, as suggested."""
        html = self.client.get(f"{self.path}/columns").text
        chosen = re.findall(r'<select id="(\w+)" name="\1"[^>]*>(.*?)</select>', html, re.DOTALL)
        selected = {name: re.search(r'<option value="([^"]*)" selected', body) for name, body in chosen}
        values = {name: unescape(found[1]) if found else "" for name, found in selected.items()}
        source = re.search(r'name="source" value="([^"]*)"', html)
        return fields_of(html, f"{self.path}/columns") | values | {"source": source[1] if source else ""}

    def keys(self) -> list[str]:
        fields = self.columns()
        return [fields[f"c{index}"] for index in range(sum(bool(re.fullmatch(r"c\d+", f)) for f in fields))]

    def choose(self, **changed: str) -> httpx.Response:
        return self.client.post(f"{self.path}/columns", data=self.columns() | changed)

    def check(self, **changed: str) -> dict[str, int]:
        """The counts of the preview."""
        assert led_to(self.choose(**changed)) == self.path
        return self.ended()

    def start(self) -> httpx.Response:
        fields = fields_of(self.page(), f"{self.path}/start")
        return self.client.post(f"{self.path}/start", data=fields)

    def run(self) -> dict[str, int]:
        """The counts of the import."""
        assert led_to(self.start()) == self.path
        return self.ended()

    def page(self) -> str:
        response = self.client.get(self.path)
        assert response.status_code == 200, response.text
        return response.text

    def ended(self) -> dict[str, int]:
        until(lambda: 'id="progress"' not in self.page())
        found = re.findall(r"<dt>([^<]+)</dt><dd>([\d,]+)</dd>", self.page())
        return {name: int(number.replace(",", "")) for name, number in found}

    def rejects(self) -> httpx.Response:
        return self.client.get(f"{self.path}/rejects")

    def delete(self) -> None:
        page = self.client.get(f"{self.path}/columns").text
        if f'action="{self.path}/delete"' in page:
            self.client.post(f"{self.path}/delete", data=fields_of(page, f"{self.path}/delete"))


Begin = Callable[..., Import]


@contextmanager
def client_of(url: str) -> Iterator[httpx.Client]:
    """A browser that has signed in at a service of its own."""
    with httpx.Client(base_url=url, timeout=PATIENCE, headers={"Origin": url}, verify=False) as client:
        client.post("/sign-in", data={"key": ADMIN_KEY, "actor": NAME})
        yield client


@pytest.fixture
def begin(ana: httpx.Client) -> Iterator[Begin]:
    """Uploads files, and deletes them at the end."""
    begun: list[Import] = []

    def send(content: str | bytes, name: str = "accounts.csv", client: httpx.Client = ana) -> Import:
        begun.append(Import(client, content, name))
        return begun[-1]

    yield send
    for one in begun:
        if one.path:
            one.delete()


@pytest.fixture
def source(link: dict[str, str]) -> str:
    """A source that no other test uses."""
    return f"pages.{link['external_id']}"[:64]


def stored(service: Running, source: str) -> dict[str, dict]:
    found = every_page(service.client, f"/v1/prospects?source={source}&limit=200")
    return {link["external_id"]: one for one in found for link in one["links"] if link["source"] == source}


def shown(response: httpx.Response) -> str:
    """What a page says, without its tags."""
    return " ".join(unescape(re.sub("<[^>]+>", " ", response.text.split("<main")[1])).split())


def many(count: int) -> str:
    return "id,name\n" + "".join(f"{number},Prospect {number}\n" for number in range(count))


def test_an_export_is_mapped_previewed_and_imported(service: Running, begin: Begin, source: str) -> None:
    one = begin(GERMAN)
    assert led_to(one.sent) == f"{one.path}/columns"
    assert one.keys() == ["external_id", "name", "industry", "employees", "annual_revenue", "ort"]
    left_out = {"rows will be refused": 1, "cells will be left out": 2}
    assert one.check(source=source) == {"will be created": 3} | left_out
    page = one.page()
    assert "The whole file was checked. Nothing is stored yet." in page
    assert "row 3, Anzahl Mitarbeiter: &#34;vierzig&#34; is not a number" in page
    assert "row 4: Kundennummer: it is missing" in page
    assert "The decimal sign is a comma." in page
    assert stored(service, source) == {}

    assert one.run() == {"new prospects": 3, "rows refused": 1, "cells left out": 2}
    found = stored(service, source)
    assert found["1001"]["name"] == "Müller GmbH"
    expected = {"industry": "Logistik", "employees": 120, "annual_revenue": 1_200_000.5, "ort": "Köln"}
    assert found["1001"]["attributes"] == expected
    assert found["1002"]["attributes"] == {"industry": "Handel", "ort": "Bonn"}
    assert found.keys() == {"1001", "1002", "1004"}

    rejects = one.rejects()
    assert rejects.headers["content-disposition"] == 'attachment; filename="accounts-rejects.csv"'
    assert [line.split(",")[1] for line in rejects.text.splitlines()[1:]] == ["Hafen & Söhne", "Ohne Nummer"]
    corrected = rejects.text.replace("vierzig", "40", 1).replace("30 Mio", '"30.000.000,0"', 1)
    corrected = corrected.replace("\n,", "\n1003,")
    again = begin(corrected, "corrected.csv")
    assert again.keys() == [*one.keys(), "", "", ""]
    assert again.check(source=source) == {"will be created": 1, "will change": 1}
    again.run()
    assert stored(service, source)["1002"]["attributes"]["annual_revenue"] == 30_000_000
    repeated = begin(GERMAN)
    assert repeated.check(source=source)["will not change"] == 3


def test_rows_are_also_qualified(service: Running, begin: Begin, source: str) -> None:
    text = "Account ID,Account Name,Deal ID,Budget,Stage,Notes\n"
    text += "a,Acme,d1,4,Won,good\nb,Borealis,d2,n/a,Lost,bad\nc,Cargo,d3,9,won,odd\n"
    one = begin(text)
    assert one.keys() == ["external_id", "name", "deal_id", "budget", "stage", "notes"]
    response = one.choose(source=source, question_set="qualifying-a-sale", then="show", c5="")
    assert led_to(response) == f"{one.path}/columns"
    assert one.keys() == ["external_id", "name", "deal", "budget", "outcome", ""]
    counts = one.check()
    assert (counts["will be qualified"], counts["new sessions"], counts["rows will be refused"]) == (2, 2, 1)
    one.run()
    lines = ok(service.client.get("/v1/sessions", params={"deal": "d1"}))["items"]
    assert [(line["name"], line["outcome"]) for line in lines if line["links"][0]["source"] == source] == [
        ("Acme", "won")
    ]
    assert "Review the sessions" in one.page()
    page = one.client.get("/prospects", params={"source": source, "q": "Acme"}).text
    assert "/v1/prospects/export?format=xlsx&amp;q=Acme&amp;source=" in page


def test_a_word_of_the_crm_is_refused_with_the_request_that_defines_it(
    service: Running, begin: Begin, source: str
) -> None:
    """The request on the page, with the words of the file, makes the next upload work."""
    text = "Account ID,Stage\na,gewonnen\nb,Closed Lost\n"
    chosen = {"source": source, "question_set": "qualifying-a-sale"}
    one = begin(text)
    one.choose(**chosen, then="show")
    assert one.check(c1="outcome")["rows will be refused"] == 2
    page = unescape(one.page())
    address = f"/v1/value-aliases/{source}"
    assert f'"{service.url}{address}"</pre>' in page
    sent = re.search(r"-d '(.*?)'", page, re.DOTALL)
    assert sent
    body = json.loads(sent[1].replace('"Closed Won"', '"gewonnen"'))
    ok(service.client.put(address, json=body))
    again = begin(text)
    again.choose(**chosen, then="show")
    counts = again.check(c1="outcome")
    assert (counts["will be qualified"], counts.get("rows will be refused", 0)) == (2, 0)
    assert "/v1/value-aliases" not in again.page()


def test_hostile_texts_and_formulas_are_texts(service: Running, begin: Begin, source: str) -> None:
    hostile = '"><img src=x onerror=alert(1)>'
    text = "id,name,<script>alert(1)</script>,employees\n"
    quoted = hostile.replace('"', '""')
    text += f'=1+1,"{quoted}",=cmd|x,{hostile[2:]}\nb,B,,7\n'
    one = begin(text, f"../../{hostile}\u202e.csv")
    for page in (one.client.get(f"{one.path}/columns").text, one.client.get(START).text):
        assert "<img" not in page
        assert "<script>" not in page
        assert "&lt;img" in page
    one.check(source=source)
    assert "<img" not in one.page()
    assert one.run() == {"new prospects": 2, "cells left out": 1}
    assert stored(service, source)["=1+1"]["name"] == hostile
    rejects = one.rejects()
    assert (
        rejects.headers["content-disposition"]
        == 'attachment; filename="22_img_src_x_onerror_alert_1-rejects.csv"'
    )
    assert rejects.text.splitlines()[1].startswith("'=1+1,")
    again = begin(rejects.content, "again.csv")
    assert again.check(source=source, c3="") == {"will not change": 1}


@pytest.mark.one_database
def test_a_workbook_keeps_its_format_and_offers_its_sheets(begin: Begin, source: str) -> None:
    book = Workbook()
    book.active.append(["Readme"])
    book.active.append(["nothing here"])
    sheet = book.create_sheet("Kunden 2026")
    sheet.append(["Kunden-Nr.", "Firma", "Mitarbeiter"])
    sheet.append(["k1", "Acme", "12"])
    sheet.append(["k2", "Borealis", "many"])
    content = BytesIO()
    book.save(content)
    one = begin(content.getvalue(), "Kunden.xlsx")
    assert led_to(one.choose(sheet="Kunden 2026", then="show")) == f"{one.path}/columns"
    assert one.keys() == ["external_id", "name", "employees"]
    assert one.check(source=source) == {"will be created": 2, "cells will be left out": 1}
    assert "Content-Type: application/vnd.openxmlformats-officedocument.spreadsheetml.sheet" in one.page()
    rejects = one.rejects()
    assert rejects.headers["content-disposition"] == 'attachment; filename="kunden-rejects.xlsx"'
    rows = [*load_workbook(BytesIO(rejects.content)).active.values]
    assert rows[1][:3] == ("k2", "Borealis", "many")
    assert led_to(one.choose(sheet="", then="show"))
    assert one.keys() == ["readme"]


@pytest.mark.one_database
@pytest.mark.parametrize(
    ("content", "name", "reason"),
    [
        ("", "empty.csv", "This file is empty."),
        ("id,name\n", "headings.csv", "This file has headings but no rows."),
        (bytes.fromhex("D0CF11E0") * 200, "old.xls", "save it as XLSX or CSV"),
        (b"PK\x03\x04 no workbook", "broken.xlsx", "The file cannot be read."),
        (b"PK\x03\x04 a workbook", "named.csv", "name that format instead of CSV"),
        ("%PDF-1.7 no table", "letter.pdf", "has an unknown format"),
        (",".join(map("a{}".format, range(501))) + "\n1\n", "wide.csv", "more than 500 columns"),
    ],
)
def test_a_file_that_is_not_a_table_is_refused(
    begin: Begin, content: str | bytes, name: str, reason: str
) -> None:
    one = begin(content, name)
    assert one.sent.status_code in (400, 422)
    assert reason in shown(one.sent)
    assert 'enctype="multipart/form-data"' in one.sent.text


@pytest.mark.one_database
def test_a_form_without_a_file_is_refused(ana: httpx.Client) -> None:
    fields = fields_of(ana.get(START).text, START)
    refused = ana.post(START, data=fields)
    assert (refused.status_code, "Choose a file first." in refused.text) == (422, True)
    # What a browser sends for a field without a file.
    part = b'--b\r\nContent-Disposition: form-data; name="file"; filename=""\r\n\r\n\r\n'
    for name, value in fields.items():
        part += f'--b\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()
    headers = {"Content-Type": "multipart/form-data; boundary=b"}
    refused = ana.post(START, content=part + b"--b--\r\n", headers=headers)
    assert (refused.status_code, "Choose a file first." in refused.text) == (422, True)


@pytest.mark.one_database
def test_the_page_says_what_is_missing_and_keeps_the_choices(begin: Begin, source: str) -> None:
    one = begin("Branche;Branche;Ort\nLogistik;Handel;Köln\n")
    assert one.keys() == ["industry", "", "ort"]
    refused = one.choose(c1="industry", c2="name")
    assert refused.status_code == 422
    for sentence in (
        "Choose the column with the ids",
        "Enter the source of the ids",
        "Several columns are set to “industry”: Branche, Branche.",
    ):
        assert sentence in shown(refused)
    assert one.keys() == ["industry", "industry", "name"]
    wrong = one.choose(source="Sales Force")
    assert (wrong.status_code, 'value="Sales Force"' in wrong.text) == (422, True)
    assert one.check(source=source, c1="", c2="external_id+name") == {"will be created": 1}


@pytest.mark.one_database
def test_a_start_is_carried_out_once(service: Running, begin: Begin, source: str) -> None:
    one = begin(many(30))
    assert begin_again(one) == one.path
    other = begin(many(31))
    another = begin_again(other, form=one.form)
    assert another not in (one.path, other.path)
    other.delete()
    other.path = another
    one.check(source=source)
    fields = fields_of(one.page(), f"{one.path}/start")
    with ThreadPoolExecutor(3) as clicks:
        sent = [clicks.submit(one.client.post, f"{one.path}/start", data=fields) for _ in range(3)]
    assert {led_to(click.result()) for click in sent} == {one.path}
    assert one.ended() == {"new prospects": 30}
    # The back button leads to the form again.
    assert led_to(one.client.post(f"{one.path}/start", data=fields)) == one.path
    assert one.ended() == {"new prospects": 30}
    one.choose(c1="", then="show")
    stale = one.client.post(f"{one.path}/start", data=fields)
    assert (stale.status_code, "Check the file again." in stale.text) == (412, True)
    assert len(stored(service, source)) == 30


@pytest.mark.one_database
def test_an_import_has_the_choices_of_its_preview(
    service: Running, begin: Begin, source: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = begin(many(3))
    one.check(source=source)
    lock = files.UploadedFile.lock

    def locked(file: files.UploadedFile) -> object:
        """Another window changes the source while this one waits for the file."""
        held = lock(file)
        upload = file.upload()
        file.save_upload(
            upload.model_copy(update={"choices": upload.choices.model_copy(update={"source": "other"})})
        )
        return held

    with monkeypatch.context() as patch:
        patch.setattr(files.UploadedFile, "is_locked", lambda _: False)
        patch.setattr(files.UploadedFile, "lock", locked)
        stale = one.start()
    assert (stale.status_code, "changed" in shown(stale), 'value="other"' in stale.text) == (412, True, True)
    assert stored(service, source) == {}


def begin_again(one: Import, form: dict[str, str] | None = None) -> str:
    """Send the same form again, as a double click does."""
    return led_to(one.client.post(START, data=form or one.form, files=one.file)).removesuffix("/columns")


@pytest.mark.one_database
def test_a_file_belongs_to_the_person_who_sent_it(service: Running, browse: Browse, begin: Begin) -> None:
    one = begin(many(3))
    others = (browse(actor="Ben Berg"), browse(key_with(service, "write", "read")["key"]))
    for other in others:
        for page in (one.path, f"{one.path}/columns", f"{one.path}/rejects"):
            assert other.get(page).status_code == 404
        assert one.path not in other.get(START).text
    for name in ("..%2F..%2Fetc", "x" * 22, "."):
        assert others[0].get(f"{START}/{name}/columns").status_code in (404, 405, 422)
    reader = browse(key_with(service, "read")["key"])
    assert reader.get(START).status_code == 403
    assert START not in reader.get("/prospects").text
    assert START in one.client.get("/prospects").text


@pytest.mark.one_database
@pytest.mark.parametrize("how", ["others can write it", "it is a link"])
def test_files_in_a_folder_that_others_could_have_made_are_not_opened(
    begin: Begin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    """They could be links to files that only the service may read."""
    key_id = UUID(int=1)
    made = UploadFolder()
    upload_id, file = made.add(BytesIO(b"id\n1\n"))
    one = begin(many(1))
    (sent,) = (found.upload() for found in made._all() if found.content.parent.name == one.id)
    file.save_upload(sent.model_copy(update={"id": upload_id, "key_id": key_id}))
    assert made.find(upload_id, key_id, NAME).content.read_bytes() == b"id\n1\n"
    folder = tmp_path / file.content.parent.parent.name
    if how == "it is a link":
        folder.symlink_to(file.content.parent.parent)
    else:
        shutil.copytree(file.content.parent, folder / upload_id)
        folder.chmod(0o777)
    monkeypatch.setattr(private_files, "gettempdir", lambda: str(tmp_path))
    theirs = UploadFolder()
    assert theirs.of(key_id) == []
    for refused in (lambda: theirs.find(upload_id, key_id, NAME), lambda: theirs.add(BytesIO(b"id\n"))):
        with pytest.raises(Problem):
            refused()
    theirs.delete_expired()
    assert [*folder.iterdir()]
    file.delete()


@pytest.mark.one_database
def test_a_file_can_be_deleted_while_other_windows_use_it(begin: Begin, source: str) -> None:
    one = begin(many(300))
    form = one.choose(source=source) and {"token": one.form["token"]}
    (file,) = (found for found in UploadFolder()._all() if found.content.parent.name == one.id)
    upload = file.upload()
    forms = {"start": form | {"shown": "x"}, "stop": form, "columns": form, "delete": form}
    with ThreadPoolExecutor(16) as at_once:
        sent = [
            at_once.submit(one.client.post, f"{one.path}/{end}", data=fields)
            for end, fields in [*forms.items()] * 4
        ]
        assert {response.result().status_code for response in sent} <= {303, 404, 412, 422}
    assert one.client.get(one.path).status_code == 404
    file.delete()
    assert file.request_stop() is None
    assert not file.is_locked()
    for late in (file.upload, lambda: file.save_upload(upload)):
        with pytest.raises(Problem) as refused:
            late()
        assert refused.value.kind is NOT_FOUND
    assert not file.content.parent.exists()


@pytest.mark.one_database
def test_the_page_of_an_expired_file_says_that_it_was_deleted(begin: Begin) -> None:
    one = begin(many(3))
    folder = UploadFolder()
    (file,) = (found for found in folder._all() if found.content.parent.name == one.id)
    assert not file.content.stat().st_mode & 0o077
    assert not file.content.parent.parent.stat().st_mode & 0o077
    old = time.time() - KEPT_SECONDS - 1
    for path in file.content.parent.iterdir():
        os.utime(path, (old, old))
    folder.delete_expired()
    gone = one.client.get(f"{one.path}/columns")
    assert (gone.status_code, "Upload the file again." in gone.text) == (404, True)


@pytest.mark.one_database
def test_a_form_with_a_file_needs_the_token_and_the_origin(ana: httpx.Client) -> None:
    fields = fields_of(ana.get(START).text, START)
    files = {"file": ("a.csv", b"id\n1\n")}
    for data, headers in (
        (fields | {"token": "wrong"}, {}),
        ({}, {}),
        (fields, {"Origin": "https://evil.example"}),
        (fields, {"Sec-Fetch-Site": "cross-site"}),
    ):
        assert ana.post(START, data=data, files=files, headers=headers).status_code == 403
    assert ana.post("/prospects", data=fields | {"name": "x"}, files=files).status_code == 415
    broken = {"Content-Type": "multipart/form-data; boundary=x"}
    assert ana.post(START, content=b"--x\r\nno part", headers=broken).status_code == 400
    part = b'--x\r\nContent-Disposition: form-data; name="token"\r\n\r\n\\ud800+2AA-\r\n--x--\r\n'
    for charset in ("undefined", "unicode_escape", "utf-7", "punycode", "latin-1"):
        odd = {"Content-Type": f"multipart/form-data; boundary=x; charset={charset}"}
        assert ana.post(START, content=part, headers=odd).status_code == 415
    usual = {"Content-Type": "multipart/form-data; boundary=x; charset=UTF-8"}
    assert ana.post(START, content=part, headers=usual).status_code == 403
    two = [("file", ("a.csv", b"id\n1\n")), ("file", ("b.csv", b"id\n1\n"))]
    assert ana.post(START, data=fields, files=two).status_code == 400


@pytest.mark.one_database
def test_limits_of_the_settings(new_database: NewDatabase, monkeypatch: pytest.MonkeyPatch) -> None:
    with (
        serving(settings_for(new_database(), import_bytes=2000, import_rows=3)) as own,
        client_of(own.url) as ana,
    ):
        large = Import(ana, "id\n" + "1" * 70_000)
        assert (large.sent.status_code, "more than 2,000 bytes" in large.sent.text) == (413, True)
        assert Import(ana, "id\n" + "1" * 3000).sent.status_code == 413
        one = Import(ana, "id,employees\na,1\nb,many\nc,3\nd,4\ne,all\n")
        assert one.check(source="s") == {"will be created": 3, "cells will be left out": 1}
        assert "It stopped because an import reads at most 3 rows at a time." in one.page()
        assert one.run() == {"new prospects": 3, "cells left out": 1}
        assert "Everything up to row 4 is stored." in one.page()
        assert one.run() == {"new prospects": 5, "cells left out": 2}
        assert [line.split(",")[0] for line in one.rejects().text.splitlines()[1:]] == ["b", "e"]
        one.delete()
        monkeypatch.setattr(worker, "TRIAL_SECONDS", -1)
        read = Import(ana, "id,employees\nf,1\n,2\n")
        assert read.check(source="s") == {"rows will be refused": 1}
        assert "1 rows were only read" in read.page()
        read.delete()


@pytest.fixture
def held(monkeypatch: pytest.MonkeyPatch) -> Iterator[Event]:
    """Imports of this process wait behind their first rows until this is set."""
    released = Event()
    advance = worker._Work.advance

    def wait(work: worker._Work) -> list:
        if work.importer.tally.committed_to > 1 and not work.is_preview:
            work._save()
            assert released.wait(PATIENCE)
        return advance(work)

    monkeypatch.setattr(worker._Work, "advance", wait)
    yield released
    released.set()


@pytest.mark.one_database
def test_an_import_ends_with_its_key(
    service: Running, browse: Browse, source: str, held: Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker, "KEY_CHECK_SECONDS", 0)
    key = key_with(service, "read", "write")
    one = Import(browse(key["key"]), many(500))
    led_to(one.choose(source=source))
    led_to(one.start())
    file = UploadFolder().find(one.id, UUID(key["id"]), NAME)
    until(lambda: file.run().counts)
    ok(service.client.delete(f"/v1/keys/{key['id']}"))
    held.set()
    until(lambda: file.run().status != "running")
    assert file.run().ended == "revoked"
    assert file.run().counts["created"] == len(stored(service, source)) == 100
    until(lambda: one.client.get(one.path).status_code == 303)
    assert one.client.get(one.path).headers["location"].startswith("/sign-in")
    file.delete()


@pytest.mark.one_database
def test_a_running_import_can_be_stopped_and_continued(
    service: Running, begin: Begin, source: str, held: Event
) -> None:
    one = begin(many(250))
    choices = one.columns() | {"source": source}
    one.check(source=source)
    led_to(one.start())
    running = one.client.get(one.path)
    assert (running.headers.get("refresh"), 'id="progress"' in running.text) == ("3", True)
    assert "refresh" not in one.client.get(f"{one.path}?reload=no").headers
    # Another window cannot change what is being imported.
    assert led_to(one.client.get(f"{one.path}/columns")) == one.path
    assert led_to(one.client.post(f"{one.path}/columns", data=choices)) == one.path
    until(lambda: len(stored(service, source)) == 100)
    stop = f"{one.path}/stop"
    led_to(one.client.post(stop, data=fields_of(running.text, stop)))
    held.set()
    assert one.ended() == {"new prospects": 100}
    assert "It was stopped." in one.page()
    assert "Everything up to row 101 is stored." in one.page()
    assert one.run() == {"new prospects": 250}
    assert len(stored(service, source)) == 250


# A process with this waits behind some rows of an import, until it has to end.
HELD = """
import time
from app.inbound.imports.worker import _Work
advance = _Work.advance

def wait(work):
    if work.importer.tally.committed_to > {} and not work.is_preview:
        work._save()
        while not work._has_to_end():
            time.sleep(0.02)
    return advance(work)

_Work.advance = wait
"""


@pytest.mark.one_database
def test_an_import_survives_the_end_of_its_process(new_database: NewDatabase, tmp_path: Path) -> None:
    url = new_database()
    with process(tmp_path, url, patch=HELD.format(50)) as served, client_of(served.url) as ana:
        one = Import(ana, many(500).replace("7,Prospect 7\n", ",Prospect 7\n", 1))
        one.check(source="s")
        led_to(one.start())
        until(lambda: "new prospects" in one.page())
        os.kill(served.pid, signal.SIGTERM)
        until(served.has_ended)
    with process(tmp_path, url, patch=HELD.format(250)) as served, client_of(served.url) as ana:
        one.client = ana
        assert "It stopped because the service was restarted." in one.page()
        assert "Everything up to row 101 is stored." in one.page()
        led_to(one.start())
        until(lambda: "<dd>299</dd>" in one.page())
        os.kill(served.pid, signal.SIGKILL)
        until(served.has_ended)
    with process(tmp_path, url) as served, client_of(served.url) as ana:
        one.client = ana
        assert "nothing is stored twice" in one.page()
        assert one.run() == {"new prospects": 200, "unchanged": 299, "rows refused": 1}
        assert len(one.rejects().text.splitlines()) == 2
        one.delete()


def test_a_prospect_is_found_by_its_ids(service: Running, ana: httpx.Client, source: str) -> None:
    sent = {"source": source, "external_id": f"id-{source}", "name": "Found", "ratings": {"trigger": 5}}
    session = ok(service.client.post("/v1/qualify", json=sent))
    page = ana.get("/prospects", params={"q": f"id-{source}"}).text
    assert (page.count("/prospects/" + session["prospect_id"]), "Found" in page) == (1, True)
    own = ana.get("/prospects", params={"q": session["prospect_id"]})
    assert led_to(own) == f"/prospects/{session['prospect_id']}"
    unknown = ana.get("/prospects", params={"q": "01890000-0000-7000-8000-000000000000"}).text
    assert "or the whole id" in unknown
    # No prospect has such a name.
    assert re.search(r'<input id="name" [^>]*value="">', unknown)


@pytest.mark.one_database
def test_a_narrow_browser(service: Running, page: Page, source: str, tmp_path: Path) -> None:
    file = tmp_path / "kunden.csv"
    file.write_text(GERMAN + f"{'9' * 190};{'W' * 255};x;1;1;{'ö' * 900}\n", "utf-8")
    messages: list[str] = []
    page.set_viewport_size({"width": 360, "height": 740})
    page.goto(f"{service.url}/sign-in")
    page.fill("#key", ADMIN_KEY)
    page.fill("#actor", NAME)
    page.click("main button")
    page.on("console", lambda message: messages.append(message.text))
    page.on("pageerror", lambda error: messages.append(str(error)))
    page.goto(f"{service.url}{START}")
    page.set_input_files("#file", file)
    widths = []
    for button, then in (
        ("Upload the file", "What is in each column?"),
        ("Check the file", "The whole file was checked."),
        ("Import the file", "The import is complete."),
    ):
        if button == "Check the file":
            page.get_by_label("Source of the ids", exact=True).fill(source)
        page.get_by_role("button", name=button, exact=True).click()
        page.get_by_text(then).wait_for()
        for details in page.locator("details.q > summary").all():
            details.click()
        widths.append(page.evaluate("document.documentElement.scrollWidth"))
    assert widths == [360, 360, 360]
    with page.expect_download() as download:
        page.get_by_role("link", name="Download these rows").click()
    assert download.value.suggested_filename == "kunden-rejects.csv"
    page.get_by_role("button", name="Delete this file").click()
    page.wait_for_url(f"{service.url}{START}")
    assert messages == []
