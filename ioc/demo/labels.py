"""What the demo says, in Vietnamese and English. The language chosen comes first, the other one beside it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Language = Literal["vi", "en"]

TEXTS: dict[str, tuple[str, str]] = {
    "title": ("IOC Hải Phòng · chạy thử", "Hải Phòng IOC · demo"),
    "machine": ("Kiểm tra máy", "Check the machine"),
    "wipe": ("Xoá dữ liệu cũ", "Wipe old data"),
    "kafka": ("Khởi động Kafka", "Start Kafka"),
    "database": ("Khởi động TimescaleDB", "Start TimescaleDB"),
    "schema": ("Tạo lược đồ dữ liệu", "Migrate the database"),
    "topics": ("Tạo chủ đề Kafka", "Create topics"),
    "processes": ("Khởi động các tiến trình", "Start the processes"),
    "first_rows": ("Chờ cửa sổ 10 giây đầu tiên đóng lại", "Wait for the first 10 s window to close"),
    "stop_player": ("Dừng phát bản ghi", "Stop the recording"),
    "drain": ("Xử lý nốt dữ liệu", "Finish what was sent"),
    "stop_processes": ("Dừng các tiến trình", "Stop the processes"),
    "stop_servers": ("Dừng máy chủ", "Stop the servers"),
    "starting": ("Đang khởi động", "Starting"),
    "stopping": ("Đang dừng; Ctrl-C lần nữa: dừng ngay", "Stopping; Ctrl-C again: at once"),
    "events_s": ("sự kiện/s", "events/s"),
    "readings_s": ("số đo/s", "readings/s"),
    "lag": ("đang chờ", "lag"),
    "rows": ("hàng đã ghi", "rows"),
    "rows_s": ("hàng/s", "rows/s"),
    "dead_letters": ("bị loại", "dead letters"),
    "alarms": ("Cảnh báo đang mở", "Open alarms"),
    "alarms_short": ("cảnh báo", "alarms"),
    "no_alarms": ("Chưa có cảnh báo", "No open alarm"),
    "tables": ("Hàng theo bảng", "Rows by table"),
    "halls": ("Phòng chờ đông nhất (người/sức chứa)", "Fullest halls"),
    "roads": ("Điểm đo chậm nhất", "Slowest stations"),
    "road_wait": ("có sau 1-2 phút đầu", "after the first 1-2 minutes"),
    "hall_wait": ("có sau 10-20 giây đầu", "after the first 10-20 s"),
    "service": ("Tiến trình", "Processes"),
    "restarts": ("chạy lại", "restarts"),
    "more": ("và {} nữa", "{} more"),
    "running": ("chạy", "running"),
    "starting_up": ("khởi động", "starting"),
    "waiting": ("chờ chạy lại", "to be restarted"),
    "stopped": ("đã dừng", "stopped"),
    "look": ("Truy vấn", "Query"),
    "post": ("Gửi số đo", "Post to"),
    "logs": ("Nhật ký", "Logs"),
    "end": ("Kết thúc: Ctrl-C", "End: Ctrl-C"),
    "alarm": ("CẢNH BÁO", "ALARM"),
    "over": ("hết cảnh báo", "alarm over"),
    "database_away": ("mất kết nối cơ sở dữ liệu", "database away"),
    "kafka_away": ("mất kết nối Kafka", "Kafka away"),
    "disk_low": ("sắp hết đĩa", "disk nearly full"),
    "no_rows": ("chưa có hàng nào được ghi: xem {}; bắt đầu lại: --fresh", "nothing stored yet: see {}; anew: --fresh"),
    "too_small": ("Cửa sổ quá nhỏ; hãy phóng to", "Window too small; enlarge it"),
}
SERVER_NOTES = {
    "downloading Kafka (45 MB, once)": "đang tải Kafka (45 MB, một lần)",
    "formatting Kafka's storage": "đang định dạng kho Kafka",
    "downloading PostgreSQL with TimescaleDB (46 MB, once)": "đang tải PostgreSQL và TimescaleDB (46 MB, một lần)",
    "unpacking PostgreSQL with TimescaleDB": "đang giải nén PostgreSQL",
    "creating the database cluster": "đang tạo cụm cơ sở dữ liệu",
}
"""What the embedded servers say of long steps; what is not here is shown as it is."""


@dataclass(frozen=True)
class Labels:
    language: Language = "vi"

    def __call__(self, name: str) -> str:
        """In the language chosen."""
        return self.pick(*TEXTS[name])

    def other(self, name: str) -> str:
        vi, en = TEXTS[name]
        return en if self.language == "vi" else vi

    def both(self, name: str) -> str:
        return f"{self(name)} / {self.other(name)}"

    def pick(self, vi: str, en: str) -> str:
        """The text in the language chosen."""
        return vi if self.language == "vi" else en

    def note(self, text: str) -> str:
        return self.pick(SERVER_NOTES.get(text, text), text)
