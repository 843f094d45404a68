"""Untrusted text made visible, secrets kept out."""

from __future__ import annotations

import json
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.canonical import canonical
from harness.text import escaped, mark, one_line, printable, redactor

SECRETS = {
    "openai": "sk-proj-abcdefghijklmnop1234",
    "aws": "AKIAABCDEFGHIJKLMNOP",
    "github": "ghp_" + "a1B2" * 9,
    "google": "AIza" + "x" * 35,
    "slack": "xoxb-1234567890-abcdef",
    "huggingface": "hf_" + "a" * 34,
}


@given(st.text())
def test_printable_text_holds_nothing_that_moves_a_terminal_and_stays_as_it_is(text: str) -> None:
    shown = printable(text)
    assert printable(shown) == shown
    for character in shown:
        assert character in "\n\t" or unicodedata.category(character) not in {"Cc", "Cs"}
        assert character not in "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200b\u200e\u200f\ufeff"


def test_hidden_characters_are_shown_and_not_dropped() -> None:
    assert printable("a\x1b]52;c;x\x07") == "a␛]52;c;x␇"
    assert printable("txt\u202egpj.exe") == "txt<U+202E>gpj.exe"
    assert printable("👩\u200d💻") == "👩\u200d💻"


@given(st.text(), st.integers(1, 50))
def test_one_line_is_one_line_of_at_most_the_width(text: str, width: int) -> None:
    line = one_line(text, width)
    assert len(line) <= width
    assert "\n" not in line


@pytest.mark.parametrize(("kind", "secret"), SECRETS.items())
def test_a_secret_of_a_known_shape_leaves_its_mark(kind: str, secret: str) -> None:
    redact = redactor({})
    for text in (f"key={secret}.", json.dumps({"a": [secret]}), json.dumps(json.dumps({"a": secret}))):
        assert secret not in redact(text)
        assert mark(kind, secret) in redact(text)


PLACES = [
    *SECRETS.values(),
    "https://bob:s3cr3tpass@db.example.com/x",
    "https://bob:MyOwnValue77@db.example.com/x",
    "https://api.example.com/x?api_key=abcdefghi&b=1",
    "https://api.example.com/x?token=sk-abcdefghijklmnop1234",
    "https://api.example.com/x?sig=abcdefghijk",
    "Authorization: Bearer abcdefghijklmnopqrstuv",
    "Basic dXNlcjpwYXNzd29yZA==",
    '{"arguments": "{\\"api_key\\": \\"abcdefghi\\"}"}',
    "{'password': 'abcdefghi'}",
]


@given(st.lists(st.sampled_from(PLACES), min_size=1), st.sampled_from([" ", "\n", ", "]))
def test_what_is_redacted_stays_as_it_is_when_it_is_redacted_again(texts: list[str], between: str) -> None:
    redact = redactor({"MY_API_KEY": "MyOwnValue77"})
    for text in (between.join(texts), json.dumps({"a": texts})):
        once = redact(text)
        assert once != text
        assert redact(once) == once
        assert redactor({}, key=b"another store's")(once) == once


@given(st.text(min_size=8, max_size=40).filter(lambda text: text.strip() == text and not text.startswith("/")))
def test_the_value_of_a_secret_variable_is_found_plain_and_inside_json(secret: str) -> None:
    redact = redactor({"MY_API_KEY": secret})
    expected = mark("my-api-key", secret)
    assert redact(f"<{secret}>") == f"<{expected}>"
    assert json.loads(redact(json.dumps({"k": f"<{secret}>"}))) == {"k": f"<{expected}>"}
    assert json.loads(redact(json.dumps({"k": f"<{secret}>"}, ensure_ascii=False))) == {"k": f"<{expected}>"}


@given(st.dictionaries(st.text("abc"), st.text(st.sampled_from('abc"\\\n sk-é🎈'))))
def test_json_stays_json_whatever_is_taken_out(value: dict[str, str]) -> None:
    assert len(json.loads(redactor({"A_TOKEN": 'bbbb"bbbb'})(json.dumps(value)))) <= len(value)


@given(st.text())
def test_escaped_json_is_the_same_json_and_moves_no_terminal(text: str) -> None:
    shown = escaped(json.dumps({"a": text}, ensure_ascii=False))
    assert json.loads(shown) == {"a": text}
    assert printable(shown) == shown


def test_equal_secrets_leave_equal_marks_and_words_stay() -> None:
    redact = redactor({"DB_PASSWORD": "hunter2hunter2", "SHORT_KEY": "abc", "HOME": "/home/someone"})
    assert redact("hunter2hunter2 = hunter2hunter2").split(" = ")[0] == mark("db-password", "hunter2hunter2")
    assert (
        redact("abc in /home/someone, task-management, sk-learn") == "abc in /home/someone, task-management, sk-learn"
    )


@pytest.mark.parametrize("before", ["", "\n", "\t", "\r\n", "\x07", "\x1b", "say ", "(", '"'])
def test_a_key_is_found_in_json_whatever_stands_before_it(before):
    key = "sk-" + "aB3d" * 8
    assert key not in redactor({})(canonical({"content": f"{before}{key}\nand on"}))


_ABBREVIATED = ["sk-", "aw-", "xoxb-", "-----BEGIN PRIVATE KEY-----", "ghp_", "github_pat_", "hf_"]


@given(st.sampled_from(_ABBREVIATED), st.text("ab-_ ", max_size=12), st.text("ab-_ ", max_size=12))
def test_a_secret_is_found_whatever_stands_around_it(beginning: str, before: str, after: str) -> None:
    end = "-----END PRIVATE KEY-----" if "BEGIN" in beginning else ""
    secret = f"{beginning}{'X' * 40}{end}"
    assert secret not in redactor({})(f"{before} {secret} {after}")


_FIELDS = ["password", "db_passwd", "passphrase", "client-secret", "apikey", "Access-Key", "secret_key", "accesstoken"]
_FIELDS += ["auth-token", "session_token", "Authorization", "Set-Cookie", "cookie"]


@given(st.sampled_from(_FIELDS), st.integers(0, 3))
def test_a_field_that_is_named_like_a_secret_is_one_however_deep_in_json(name: str, depth: int) -> None:
    text = json.dumps({name: "hunter22 hunter22"})
    for _ in range(depth):
        text = json.dumps({"tool_call": text})
    text = text if depth else json.dumps({"tool_call": {name: "hunter22 hunter22"}})
    assert "hunter22" not in redactor({})(text)
    assert json.loads(redactor({})(text))


def test_a_count_of_tokens_is_no_secret() -> None:
    record = json.dumps({"gen_ai.usage.input_tokens": 90, "parameters": json.dumps({"max_tokens": "12345678"})})
    assert redactor({})(record) == record
