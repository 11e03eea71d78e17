"""The windows of the Qt and Tk examples: a picture is taken before they close."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from screen import on_a_virtual_screen

ROOT = Path(__file__).parents[2]
LINE = "Thank you. Goodbye.: You are welcome. Goodbye, and have a lovely day!"
BLUE = (0x2F, 0x6F, 0xED)

QT = """
import runpy, sys
from embedded import shared
from PySide6 import QtCore, QtWidgets

class Picture(QtCore.QObject):
    def eventFilter(self, it, event):
        if event.type() == QtCore.QEvent.Type.Close and isinstance(it, QtWidgets.QWidget):
            it.grab().save(sys.argv[1])
        return False

class App(QtWidgets.QApplication):
    def __init__(self, *args):
        super().__init__(*args)
        self.picture = Picture()
        self.installEventFilter(self.picture)

QtWidgets.QApplication = App
with shared():
    runpy.run_path("examples/qt_app.py", run_name="__main__")
"""

TK = """
import runpy, shutil, sys, tkinter
from pathlib import Path
import numpy as np
from embedded import shared

destroy = tkinter.Tk.destroy

def picture(self):
    self.update()
    raw = Path(sys.argv[1] + ".screen", "Xvfb_screen0").read_bytes()
    header = np.frombuffer(raw[:100], ">u4")
    at, width, height, line = header[0] + 12 * header[19], header[4], header[5], header[12]
    rows = np.frombuffer(raw, np.uint8, line * height, at).reshape(height, line)
    pixels = np.ascontiguousarray(rows[:, : 4 * width])
    from PySide6.QtGui import QImage
    QImage(pixels.data, width, height, 4 * width, QImage.Format.Format_RGB32).save(sys.argv[1])
    destroy(self)

tkinter.Tk.destroy = picture
with shared():
    runpy.run_path("examples/tk_app.py", run_name="__main__")
"""


def run(code: str, picture: Path, *before: str) -> None:
    paths = os.pathsep.join([str(ROOT), str(ROOT / "tests")])
    done = subprocess.run(
        [*before, sys.executable, "-W", "error", "-c", code, str(picture)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": paths, "QT_QPA_PLATFORM": "offscreen"},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr, done.stderr
    assert done.stdout.splitlines()[-1] == LINE
    index = (ROOT / "examples" / "README.md").read_text("utf-8")
    assert index.count(f"| `{LINE}` |") >= 2


def check(picture: Path) -> None:
    """A dark window with a blue button in its lower part, and text above it."""
    from PySide6.QtGui import QImage

    image = QImage(str(picture)).convertToFormat(QImage.Format.Format_RGB888)
    width, height, line = image.width(), image.height(), image.bytesPerLine()
    pixels = np.frombuffer(image.constBits(), np.uint8).reshape(height, line)
    pixels = pixels[:, : 3 * width].reshape(height, width, 3)
    rows = np.flatnonzero((pixels == BLUE).all(axis=2).mean(axis=1) > 0.5)
    assert len(rows) > 20
    assert rows[0] > height / 2
    light = (pixels[: rows[0]] > 180).all(axis=2).sum()
    assert light > 1000


@pytest.mark.models
@pytest.mark.slow
def test_the_qt_window(tmp_path: Path) -> None:
    pytest.importorskip("PySide6.QtWidgets")
    picture = tmp_path / "qt.png"
    run(QT, picture)
    check(picture)


@pytest.mark.models
@pytest.mark.slow
def test_the_tk_window(tmp_path: Path) -> None:
    pytest.importorskip("tkinter")
    pytest.importorskip("PySide6.QtGui")  # writes the picture
    picture = tmp_path / "tk.png"
    screen = tmp_path / "tk.png.screen"
    screen.mkdir()
    run(TK, picture, *on_a_virtual_screen("-s", f"-screen 0 480x580x24 -fbdir {screen}"))
    check(picture)
