"""What can be wrong with a request, and how it is said: problem details (RFC 9457), titled in Vietnamese and English.

Decides the status and the titles of every refusal; knows no HTTP framework. ``detail`` is English: it quotes field
names and numbers for the person who programs the gateway.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

from msgspec import Struct

Reason = Literal[
    "not-json", "wrong-shape", "unknown-place", "columns-differ", "repeated-row", "implausible-time", "unauthorized",
    "not-found", "method-not-allowed", "too-slow", "too-large", "unsupported-media-type", "internal-error", "busy",
    "kafka-away",
]  # fmt: skip


class Title(NamedTuple):
    status: int
    vi: str
    en: str


TITLES: dict[Reason, Title] = {
    "not-json": Title(400, "Nội dung không phải JSON hợp lệ", "The body is not valid JSON"),
    "wrong-shape": Title(422, "Dữ liệu sai cấu trúc", "The data have the wrong shape"),
    "unknown-place": Title(
        422, "Hành lang, trạm hoặc làn không tồn tại", "No such corridor, station or lane on this site"
    ),
    "columns-differ": Title(422, "Các cột có độ dài khác nhau", "The columns differ in length"),
    "repeated-row": Title(422, "Một làn xuất hiện hai lần trong cùng một lần đo", "A lane stands twice in one reading"),
    "implausible-time": Title(
        422, "Thời điểm đo không hợp lý: hãy kiểm tra đồng hồ", "The time is implausible: check the clock"
    ),
    "unauthorized": Title(401, "Thiếu mã truy cập hoặc mã không đúng", "The token is missing or wrong"),
    "not-found": Title(404, "Không có địa chỉ này", "There is nothing at this address"),
    "method-not-allowed": Title(405, "Phương thức không được phép", "The method is not allowed here"),
    "too-slow": Title(408, "Gửi nội dung quá chậm", "The body came too slowly"),
    "too-large": Title(413, "Nội dung quá lớn", "The body is too large"),
    "unsupported-media-type": Title(415, "Kiểu nội dung không được hỗ trợ", "The content type is not supported"),
    "internal-error": Title(500, "Lỗi nội bộ", "An internal error"),
    "busy": Title(503, "Hệ thống đang bận, hãy gửi lại sau", "Too much is under way: send it again later"),
    "kafka-away": Title(
        503, "Kafka tạm thời không phản hồi, hãy gửi lại sau", "Kafka does not answer: send it again later"
    ),
}


class Problem(Struct, frozen=True, omit_defaults=True):
    """Problem details (RFC 9457). ``title`` is Vietnamese; ``path`` leads into the body, as in JSONPath."""

    type: str
    title: str
    title_en: str
    status: int
    detail: str
    path: str = ""
    """Where in the body, such as ``$.readings[3].lane[0]``; absent if the fault is not in the body's content."""


class Refused(Exception):
    """The request is answered with a problem. Raises nothing further; nothing of the batch was accepted."""

    def __init__(self, reason: Reason, detail: str, path: str = "", *, headers: dict[str, str] | None = None) -> None:
        super().__init__(f"{reason} at {path}: {detail}" if path else f"{reason}: {detail}")
        self.reason: Reason = reason
        self.detail = detail
        self.path = path
        self.headers = headers or {}

    @property
    def status(self) -> int:
        return TITLES[self.reason].status

    @property
    def problem(self) -> Problem:
        title = TITLES[self.reason]
        return Problem(
            type=f"urn:ioc:problem:{self.reason}",
            title=title.vi,
            title_en=title.en,
            status=title.status,
            detail=self.detail,
            path=self.path,
        )
