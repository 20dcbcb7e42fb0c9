"""Files of weights: where they are, what they are, and their digest; without torch.

In: what a configuration names. Out: a file, or one line that says what to fetch and where to put
it: jobs never download. cellpose itself warns of a missing file and takes another model.
"""

import hashlib
import os
import zipfile
from functools import lru_cache
from pathlib import Path

from voxelmill.plugin import BadConfig

FILES = {"cyto": "cytotorch_0", "cyto2": "cyto2torch_0", "nuclei": "nucleitorch_0"}
"""Files of models by name, where they are called differently."""
SAM = ("cpsam", "cpsam_v2")
KEY_SAM, PICKLE = "W2", "data.pkl"
"""Key that weights of Cellpose 4 have, and the part of the file that names the keys."""
SITE = "https://www.cellpose.org/models/{}"
SITE_SAM = "https://huggingface.co/mouseland/cellpose-sam/resolve/main/{}"


def weights(model: str) -> Path:
    """File of a model, given by its path or by its name in Cellpose's folder.

    Raises
    ------
    BadConfig
        It is not there; the text says what to fetch and where to put it.
    """
    path = Path(model).expanduser()
    if path.is_file():
        return path
    if path.name != model:
        raise BadConfig(f"cellpose: no file {model}; allowed: a path to weights. Put them there")
    given = os.environ.get("CELLPOSE_LOCAL_MODELS_PATH")
    folder = Path(given) if given else Path.home() / ".cellpose" / "models"
    file = FILES.get(model, model)
    if (folder / file).is_file():
        return folder / file
    site = (SITE_SAM if model in SAM else SITE).format(file)
    raise BadConfig(
        f"cellpose: no model '{model}' ({folder / file} is absent; jobs never download). "
        f"Fetch {site} to {folder / file}, or set model: to the path of the weights"
    )


def for_sam(model: str) -> bool:
    """Whether weights are of Cellpose 4, as far as can be said without torch."""
    path = Path(model).expanduser()
    if not zipfile.is_zipfile(path):
        return model in SAM
    with zipfile.ZipFile(path) as file:
        return any(KEY_SAM.encode() in file.read(n) for n in file.namelist() if PICKLE in n)


@lru_cache(maxsize=8)
def digest(path: Path, size: int, changed_ns: int) -> str:
    """SHA-256 of a file; computed again where its size or age differs."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def check_unchanged(path: Path, now: str, then: str) -> None:
    """Refuse another digest than at the start of the run.

    Raises
    ------
    BadConfig
        It is another one.
    """
    if now != then:
        raise BadConfig(f"{path}: sha256 {now[:12]}…, at the start {then[:12]}…. Run again")


def fingerprint(path: Path) -> str:
    """SHA-256 of a file."""
    found = path.stat()
    return digest(path, found.st_size, found.st_mtime_ns)
