"""A headless Chromium, driven through a pipe by its DevTools protocol: pages opened, asked, photographed."""

import base64
import json
import os
import select
import shutil
import subprocess
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

_ARGUMENTS = (
    "--headless=new", "--no-sandbox", "--no-first-run", "--disable-background-networking", "--mute-audio",
    "--disable-component-update", "--disable-dev-shm-usage", "--autoplay-policy=no-user-gesture-required",
)  # fmt: skip
_TIMEOUT_S = 60.0
_POLL_S = 0.2


def find_chromium() -> str | None:
    """Its program, or that of Chrome, or None."""
    return next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


class Chromium:
    """A browser with one page; a context manager. `events` are what the page reported, in order."""

    def __init__(self, arguments: Sequence[str] = ()):
        """Raises ValueError where there is no Chromium."""
        program = find_chromium()
        if program is None:
            raise ValueError("no chromium here: install it, or run this elsewhere")
        self.events: list[dict[str, Any]] = []
        self._profile = tempfile.mkdtemp(prefix="wt_jax-chromium-")
        to_read, self._to = os.pipe()
        self._from, to_write = os.pipe()
        # It reads what is asked from its file 3 and answers into its file 4; each message ends with a zero.
        self._process = subprocess.Popen(
            [
                "bash", "-c", f'exec "$0" "$@" 3<&{to_read} 4>&{to_write}',
                program, "--remote-debugging-pipe", f"--user-data-dir={self._profile}",
                *_ARGUMENTS, *arguments, "about:blank",
            ],
            pass_fds=(to_read, to_write),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )  # fmt: skip
        os.close(to_read)
        os.close(to_write)
        self._buffer = b""
        self._n_sent = 0
        self._session: str | None = None
        (target,) = [one for one in self.send("Target.getTargets")["targetInfos"] if one["type"] == "page"]
        self._session = self.send("Target.attachToTarget", targetId=target["targetId"], flatten=True)[
            "sessionId"
        ]
        for domain in ("Page", "Runtime", "Log", "Network", "DOM"):
            self.send(f"{domain}.enable")

    def __enter__(self) -> "Chromium":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Ends it and forgets its profile."""
        self._process.terminate()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        os.close(self._to)
        os.close(self._from)
        shutil.rmtree(self._profile, ignore_errors=True)

    def send(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Asks and waits for the answer. Raises RuntimeError for an error, TimeoutError where none comes."""
        self._n_sent += 1
        message = {"id": self._n_sent, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._to, json.dumps(message).encode() + b"\0")
        until = time.monotonic() + _TIMEOUT_S
        while time.monotonic() < until:
            for answer in self._receive(until - time.monotonic()):
                if answer.get("id") != self._n_sent:
                    self.events.append(answer)
                elif "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']['message']}")
                else:
                    return answer["result"]
        raise TimeoutError(f"{method}: no answer in {_TIMEOUT_S:g} s")

    def open(self, url: str) -> None:
        """Goes to a page, without waiting for it."""
        self.send("Page.navigate", url=url)

    def evaluate(self, expression: str) -> Any:
        """The value of a JavaScript expression in the page, of a promise what it is kept with."""
        answer = self.send(
            "Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True, userGesture=True
        )
        if "exceptionDetails" in answer:
            raise RuntimeError(json.dumps(answer["exceptionDetails"]))
        return answer["result"].get("value")

    def wait(self, expression: str, timeout_s: float) -> Any:
        """The expression's value, once it is true. Raises TimeoutError, with what the page reported."""
        until = time.monotonic() + timeout_s
        while time.monotonic() < until:
            if value := self.evaluate(expression):
                return value
            time.sleep(_POLL_S)
        raise TimeoutError(f"{expression}: not in {timeout_s:g} s; {self.complaints()}")

    def choose_file(self, selector: str, path: Path) -> None:
        """Gives a file to an input of the page, as somebody who chooses it."""
        root = self.send("DOM.getDocument")["root"]["nodeId"]
        node = self.send("DOM.querySelector", nodeId=root, selector=selector)["nodeId"]
        self.send("DOM.setFileInputFiles", nodeId=node, files=[str(path.absolute())])

    def resize(self, width_px: int, height_px: int, scale: float = 1, mobile: bool = False) -> None:
        """Makes the page this large, in CSS pixels."""
        self.send(
            "Emulation.setDeviceMetricsOverride",
            width=width_px, height=height_px, deviceScaleFactor=scale, mobile=mobile,
        )  # fmt: skip

    def photograph(self, path: Path) -> None:
        """Writes what is seen as a PNG."""
        path.write_bytes(base64.b64decode(self.send("Page.captureScreenshot")["data"]))

    def complaints(self) -> list[str]:
        """What the page reported: exceptions, failed requests, what its policy forbids, other warnings."""
        found = []
        for event in self.events:
            method, details = event.get("method"), event.get("params", {})
            if method == "Runtime.exceptionThrown":
                details = details["exceptionDetails"]
                found.append(details.get("exception", {}).get("description", details["text"]))
            elif method == "Log.entryAdded" and details["entry"]["level"] in ("error", "warning"):
                found.append(f"{details['entry']['text']} {details['entry'].get('url', '')}".rstrip())
            elif method == "Runtime.consoleAPICalled" and details["type"] == "error":
                found.append(" ".join(str(one.get("value", "")) for one in details["args"]))
        return found

    def requests(self) -> list[str]:
        """Addresses that the page asked for."""
        sent = [event for event in self.events if event.get("method") == "Network.requestWillBeSent"]
        return [event["params"]["request"]["url"] for event in sent]

    def _receive(self, timeout_s: float) -> list[dict[str, Any]]:
        if not select.select([self._from], [], [], max(timeout_s, 0))[0]:
            return []
        part = os.read(self._from, 1 << 20)
        if not part:
            raise RuntimeError("chromium ended")
        *messages, self._buffer = (self._buffer + part).split(b"\0")
        return [json.loads(message) for message in messages]
