"""A short run of the fuzz of all commands; `python tools/fuzz.py` is the long one."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


@pytest.mark.skipif(not hasattr(os, "fork"), reason="a try is a fork")
def test_bad_values_and_damaged_files_end_in_one_line() -> None:
    command = [sys.executable, str(ROOT / "tools/fuzz.py"), "--tries", "100", "--seed", "7"]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    outcome = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=600)
    assert outcome.returncode == 0, outcome.stdout + outcome.stderr
    assert "100 tries, 0 failed" in outcome.stdout
