"""A video is opened as the file that it is: its name is no address, and it names no other file."""

import os
import shutil
import socket
import sys
import threading

import cv2
import pytest
from clips import grey, shown, write_clip

from wt_jax.video import capture
from wt_jax.video.reader import Video
from wt_jax.video.writer import VideoWriter


@pytest.fixture
def listener():
    """A port of this machine, and who has connected to it."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.05)
        connected, is_over = [], threading.Event()

        def listen():
            while not is_over.is_set():
                try:
                    peer, address = server.accept()
                except TimeoutError:
                    continue
                connected.append(address)
                peer.close()

        thread = threading.Thread(target=listen)
        thread.start()
        yield server.getsockname()[1], connected
        is_over.set()
        thread.join()


@pytest.fixture
def here(tmp_path, monkeypatch):
    """Names without a folder before them, which is how FFmpeg finds a protocol in them."""
    monkeypatch.chdir(tmp_path)
    write_clip(tmp_path / "clip.mp4", 5)
    return tmp_path


def test_the_listener_hears_of_a_connection(here, listener):
    """What the tests below look for does happen, where names are given to FFmpeg as they are."""
    port, connected = listener
    cv2.VideoCapture(f"tcp:127.0.0.1:{port}", cv2.CAP_FFMPEG).release()
    threading.Event().wait(0.2)
    assert len(connected) == 1


@pytest.mark.parametrize(
    "name", ["12:30 squats.mp4", "tcp:127.0.0.1:PORT", "http:x.mp4", "file:a.mp4", "concat:a|b", "%03d.mp4"]
)
def test_a_name_is_no_address(here, listener, name):
    port, connected = listener
    name = name.replace("PORT", str(port))
    shutil.copy("clip.mp4", name)
    with Video(name) as video:
        assert [shown(frame) for _, frame in video] == [0, 1, 2, 3, 4]
        assert shown(video.frame(3)) == 3
    threading.Event().wait(0.2)
    assert connected == []


@pytest.mark.parametrize("without_av", [False, True])
@pytest.mark.parametrize("name", ["12:30 squats.mp4", "tcp:127.0.0.1:9.mp4"])
def test_nor_is_that_of_a_file_that_is_written(here, monkeypatch, name, without_av):
    if without_av:
        monkeypatch.setitem(sys.modules, "av", None)
    with VideoWriter(name, 30, 320, 240) as writer:
        for _ in range(3):
            writer.write(grey())
    with Video(here / name) as video:
        assert len(list(video)) == 3
    assert (b"avc1" in (here / name).read_bytes()) != without_av  # and no second best in its place


HLS = "#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n"
PLAYLISTS = {
    "hls of a server": f"{HLS}http://127.0.0.1:PORT/a.ts\n#EXT-X-ENDLIST\n",
    "hls of a file": f"{HLS}clip.mp4\n#EXT-X-ENDLIST\n",
    "ffconcat of a server": "ffconcat version 1.0\nfile 'http://127.0.0.1:PORT/a.mp4'\n",
    "ffconcat of a file": "ffconcat version 1.0\nfile clip.mp4\n",
    "dash": '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static"><Period>'
    '<AdaptationSet><Representation id="1"><BaseURL>http://127.0.0.1:PORT/a.mp4</BaseURL></Representation>'
    "</AdaptationSet></Period></MPD>",
    "sdp": "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video PORT RTP/AVP 96\n",
    "pls": "[playlist]\nFile1=http://127.0.0.1:PORT/a.mp4\n",
}  # fmt: skip


@pytest.mark.parametrize("suffix", [".mp4", ".m3u8", ".sdp", ".mpd", ".ffconcat"])
@pytest.mark.parametrize("kind", PLAYLISTS)
def test_a_playlist_is_refused_and_nothing_that_it_names_is_opened(here, listener, kind, suffix, capfd):
    port, connected = listener
    path = here / f"list{suffix}"
    path.write_text(PLAYLISTS[kind].replace("PORT", str(port)))
    with pytest.raises(ValueError, match="a playlist, which names other files") as error:
        Video(path)
    assert str(error.value).startswith(f"{path}: ")
    threading.Event().wait(0.1)
    assert connected == []
    assert capfd.readouterr() == ("", "")


def test_what_opencv_is_told_by_others_stays(here, monkeypatch):
    """Before and after: the options are the process's own, and may be meant for another camera."""
    monkeypatch.delenv(capture._OPTIONS, raising=False)
    assert capture.capture_file("clip.mp4").isOpened()
    assert capture._OPTIONS not in os.environ
    monkeypatch.setenv(capture._OPTIONS, "rtsp_transport;udp|nonsense")
    assert capture.capture_file("clip.mp4").isOpened()
    (here / "list.mp4").write_text(PLAYLISTS["ffconcat of a file"])
    assert not capture.capture_file("list.mp4").isOpened()
    assert os.environ[capture._OPTIONS] == "rtsp_transport;udp|nonsense"


CODES = {".avi": "MJPG", ".mkv": "mp4v", ".mov": "mp4v", ".webm": "VP80", ".wmv": "WMV2", ".flv": "FLV1",
         ".ts": "mp4v"}  # fmt: skip


@pytest.mark.parametrize(("suffix", "code"), CODES.items())
def test_containers_of_pictures_are_read(here, suffix, code, capfd):
    path = write_clip(here / f"a{suffix}", 9, code=code)
    with Video(path) as video:
        assert len(list(video)) >= 8


@pytest.mark.usefixtures("impatient")
def test_what_is_no_file_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "a.mp4")
    with pytest.raises(ValueError, match=r"a\.mp4: a pipe, not a video$"):
        Video(tmp_path / "a.mp4")


def test_a_name_that_is_not_utf_8_is_refused_before_opencv_crashes(tmp_path):
    path = tmp_path / "a\udcff.mp4"
    path.write_bytes(write_clip(tmp_path / "clip.mp4", 3).read_bytes())
    with pytest.raises(ValueError, match="is not UTF-8: rename it"):
        Video(path)
    with pytest.raises(ValueError, match="is not UTF-8"), VideoWriter(tmp_path / "\udcfe.mp4", 30, 320, 240):
        pass
    assert sorted(os.listdir(tmp_path)) == ["a\udcff.mp4", "clip.mp4"]


@pytest.mark.parametrize("number", [99999, 10**20, -1])
def test_numbers_of_no_camera(number):
    with pytest.raises(ValueError, match=f"camera {number}: not there"):
        Video(number)
