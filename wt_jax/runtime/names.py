"""Names of files, and what one must be to be worked with."""

import os
import unicodedata

# 255 bytes are the most that disks take; what is written beside a file, before it takes its name, is longer.
_MOST_BYTES = 230
# Unicode's categories of control characters, of bytes that are no UTF-8, and of ends of lines and paragraphs.
_UNSEEN = {"Cc", "Cs", "Zl", "Zp"}


def why_unusable(name: str) -> str:
    """What is wrong with a file's name, and what to do; "" where nothing is."""
    if any(unicodedata.category(letter) in _UNSEEN for letter in name):
        return "control characters, or bytes that are no UTF-8, in its name: rename it"
    if (n_bytes := len(os.fsencode(name))) > _MOST_BYTES:
        return f"a name of {n_bytes} bytes, {_MOST_BYTES} at most: rename it, and what else has the name"
    return ""
