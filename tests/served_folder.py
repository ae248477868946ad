"""A folder served on this machine alone, as `python -m http.server` does."""

import functools
import http.server
import threading
from pathlib import Path
from typing import Any


class ServedFolder(http.server.ThreadingHTTPServer):
    """At `url`, until it is closed; `n_bytes` of its files were sent. A context manager."""

    def __init__(self, folder: Path):
        self.n_bytes = 0
        super().__init__(("127.0.0.1", 0), functools.partial(_Handler, directory=str(folder)))
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Answers nobody any more."""
        self.shutdown()
        self.server_close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/"


class _Handler(http.server.SimpleHTTPRequestHandler):
    def copyfile(self, source: Any, outputfile: Any) -> None:
        content = source.read()
        self.server.n_bytes += len(content)  # type: ignore[attr-defined]
        outputfile.write(content)

    def log_message(self, *_: Any) -> None:
        pass
