"""What of the processes' settings is more than a value."""

from omniroute.config import LogSettings
from omniroute.logs import Rotation


def test_log_files_are_bounded_as_set_or_not_written() -> None:
    assert LogSettings(file_bytes=1, file_count=2, file_days=3).rotation == Rotation(1, 2, 3)
    assert LogSettings(files=False).rotation is None
