"""Letters as they come: of people, of machines, hostile ones; and references that people type."""

from __future__ import annotations

from email.message import EmailMessage
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.mail.letters import MARKER, UnreadableError, read
from app.requests.reference import reference_of, tail_in

PNG = b"\x89PNG\r\n\x1a\n" + bytes(16)
OURS = ("crm@example.org",)


def letter(text="Карта не работает", **headers):
    message = EmailMessage()
    fields = {"From": "Иван <Ivan@Firma.RU>", "To": OURS[0], "Subject": "Карта", "Message-ID": "<1@firma.ru>"}
    for name, value in {**fields, **headers}.items():
        message[name.replace("_", "-")] = value
    message.set_content(text)
    return message


def took(message, envelope="ivan@firma.ru"):
    return read(message if isinstance(message, bytes) else message.as_bytes(), envelope, OURS)


def test_what_stands_in_a_letter():
    message = letter(In_Reply_To="<0@example.org>")
    message.add_attachment(PNG, maintype="image", subtype="png", filename="../фото.png")
    message.add_attachment(b"MZ", maintype="application", subtype="x-msdownload", filename="virus.exe")
    found = took(message)
    assert (found.sender, found.subject, found.text) == ("ivan@firma.ru", "Карта", "Карта не работает")
    assert (found.message_id, found.answers, found.automatic) == ("<1@firma.ru>", ("<0@example.org>",), None)
    kept, refused = found.files
    assert (kept.name, kept.refusal) == ("_фото.png", None)
    assert "not allowed" in refused.refusal


def test_a_file_must_be_what_it_says():
    message = letter()
    message.add_attachment(b"MZ\x90", maintype="image", subtype="png", filename="a.png")
    assert took(message).files[0].refusal == "the content is not image/png"


@pytest.mark.parametrize(
    ("charset", "body", "text"),
    [("utf-7", b"+2AA-\r\n", "?"), ("idna", b"a." * 70, "a." * 70), ("nonsense", "да".encode(), "да")],
)
def test_no_character_set_loses_a_letter(charset, body, text):
    head = f"From: ivan@firma.ru\r\nContent-Type: text/plain; charset={charset}\r\n\r\n"
    assert took(head.encode() + body).text == text


@pytest.mark.parametrize(
    ("headers", "envelope", "sign"),
    [
        ({}, "", "bounce"),
        ({}, "<>", "bounce"),
        ({"Auto_Submitted": "auto-replied (vacation)"}, "a@b.ru", "auto-submitted"),
        ({"Precedence": "bulk"}, "a@b.ru", "bulk"),
        ({"List_Id": "<news.b.ru>"}, "a@b.ru", "bulk"),
        ({MARKER: "1"}, "a@b.ru", "own letter"),
        ({"From": "crm@example.org"}, "a@b.ru", "own letter"),
    ],
)
def test_machines_are_recognised(headers, envelope, sign):
    assert took(letter(**headers), envelope).automatic == sign


def test_a_loop_is_recognised_by_its_hops():
    message = letter()
    for hop in range(31):
        message.add_header("Received", f"from a by b; {hop}")
    assert took(message).automatic == "loop"


def test_html_is_read_as_text():
    message = letter()
    message.set_content("<style>p{}</style><p>Привет,<br>мир</p><script>alert(1)</script>", subtype="html")
    assert took(message).text == "Привет,\nмир"


@pytest.mark.parametrize(
    "raw",
    [
        b"", b"\r\n\r\n", b"From: nobody\r\n\r\nx", b"From: a@b.ru, c@d.ru\r\n\r\nx",
        b"From: =?utf-8?B?////?= <>\r\n\r\n", b"\x00\xff\xfe",
    ],
)  # fmt: skip
def test_what_no_person_sent_is_unreadable(raw):
    with pytest.raises(UnreadableError):
        took(raw)


def test_an_unknown_character_set_loses_no_letter():
    raw = b"From: a@b.ru\r\nContent-Type: text/plain; charset=klingon-8\r\n\r\n\xd0\x9f"
    assert took(raw).text == "П"


@given(st.binary(max_size=400))
def test_no_bytes_break_the_reader(raw):
    try:
        found = took(b"From: a@b.ru\r\n" + raw)
    except UnreadableError:
        return
    assert found.text
    assert "\0" not in found.text + found.subject


@given(st.uuids())
def test_a_reference_leads_back_to_its_id(id_):
    written = reference_of(id_)
    assert tail_in(f"Re: вопрос [{written.lower()}]") == id_.hex[-15:]


def test_what_is_misread_is_read_as_meant():
    written = reference_of(UUID(int=0b00001_00000))  # …-0010
    assert tail_in(written.replace("1", "I").replace("0", "O")) == tail_in(written)


@pytest.mark.parametrize("text", ["", "R-1234-5678", "R-UUUU-UUUU-UUUU", "XR-1234-1234-1234"])
def test_what_is_no_reference(text):
    assert tail_in(text) is None
