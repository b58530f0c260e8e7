"""What is said about a body that is not JSON: a developer can mend it from the answer alone."""

import pytest

from tests.support.raw_http import JSON, request, send


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "is required: send a JSON object"),
        (b"\xef\xbb\xbf{}", "byte order mark; leave it out"),
        ("{}".encode("utf-16"), "byte order mark; leave it out"),
        (b'{"a": "\xff"}', "byte 8 is not UTF-8"),
        (b'{"a": "\\ud800"}', "half of a character"),
        (b'{"a": 1, "a": 2}', 'duplicate key "a" at line 1 column 14'),
        (b'{"a": 1,}', "trailing comma at line 1 column 9"),
        (b"{'a': 1}", "key must be a string at line 1 column 2"),
        (b"undefined", "expected value at line 1 column 1"),
        (b"[" * 5000, "recursion limit exceeded"),
    ],
)
def test_the_answer_says_what_is_wrong_with_the_json(api_url: str, body: bytes, words: str) -> None:
    """The one fault is about the body, and says where it goes wrong, and why."""
    answer = send(api_url, request("POST", "/api/token", JSON, body=body))
    (fault,) = answer.json()["validationErrors"]
    assert fault["field"] == "body"
    assert words in fault["message"]
