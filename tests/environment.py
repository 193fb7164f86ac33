"""The environment of the tests, set before Django reads it: a data folder that goes afterwards."""

import atexit
import os
import shutil
import tempfile

_folder = tempfile.mkdtemp(prefix="imsite-")
atexit.register(shutil.rmtree, _folder, ignore_errors=True)
for _name in [name for name in os.environ if name.startswith("IM_") and "TEST" not in name]:
    del os.environ[_name]
os.environ["IM_DATA_DIR"] = _folder
os.environ["IM_LIMITS"] = "off"
