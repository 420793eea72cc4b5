"""Files: open any table of vectors as a Space, and save a Space in any format."""

import embedkit.files.encoding  # noqa: F401  # registers how new things are read
from embedkit.files.formats import FORMATS, Format
from embedkit.files.given import COMMAND_LINE, UPLOAD, Limits
from embedkit.files.opening import Opened, open_files
from embedkit.files.saving import Saved, save_space, space_bytes

__all__ = [
    "COMMAND_LINE",
    "FORMATS",
    "UPLOAD",
    "Format",
    "Limits",
    "Opened",
    "Saved",
    "open_files",
    "save_space",
    "space_bytes",
]
