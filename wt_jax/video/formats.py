"""Which files are videos."""

VIDEO_SUFFIXES = (".mp4", ".avi", ".mov", ".mkv", ".webm")
