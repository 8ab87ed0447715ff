"""Published weights on the user's own disk, for `weights=pretrained`; nothing is ever downloaded.

A checkpoint is looked for in the folder that `$CUPEL_WEIGHTS` names, which is one itself or holds several by their ids
or names, then in the user's cache of the Hugging Face hub. `cupel.tasks.models.load_checkpoint` makes a model of it.
"""

from __future__ import annotations

from pathlib import Path

from cupel.spec import Slot, UnsupportedError, Workload
from cupel.tasks.data.file_cache import users_folder

ENVIRONMENT = "CUPEL_WEIGHTS"
CONFIG = "config.json"
"""What makes a folder one of a checkpoint."""


def asked_checkpoint(slot: Slot, card: Workload, *, published: str = "") -> Path | None:
    """The folder of the published weights; None where the run's weights are random.

    Args:
        slot: the setting `weights`; a note says where pretrained ones are from.
        card: names the published weights, and whether they are gated.
        published: id of others than the card's.

    Raises:
        UnsupportedError: they are not on this machine; the message says how to get them.
    """
    if slot.settings.get("weights", "random") != "pretrained":
        return None
    folder = find_checkpoint(published or card.checkpoint, is_gated=card.gated)
    slot.note(f"the weights are those in {folder}")
    return folder


def find_checkpoint(published: str, *, is_gated: bool) -> Path:
    """The folder of a checkpoint on this machine.

    Raises:
        UsageError: `$CUPEL_WEIGHTS` names something that is no folder.
        UnsupportedError: it is not there.
    """
    own = users_folder(ENVIRONMENT, "a folder with a checkpoint, as save_pretrained writes it, or with several")
    for folder in [] if own is None else [own, own / published, own / published.rpartition("/")[2]]:
        if (folder / CONFIG).is_file():
            return folder
    from huggingface_hub import snapshot_download
    from huggingface_hub.constants import HF_HUB_CACHE
    from huggingface_hub.errors import LocalEntryNotFoundError

    try:
        cached = Path(snapshot_download(published, local_files_only=True))
    except LocalEntryNotFoundError:
        cached = None
    if cached is not None and (cached / CONFIG).is_file():
        return cached
    looked = f"{own} ({ENVIRONMENT}) or {HF_HUB_CACHE}" if own else f"{HF_HUB_CACHE}; {ENVIRONMENT} is not set"
    gate = " It is gated: accept its licence on its page of the hub, then hf auth login." if is_gated else ""
    raise UnsupportedError(
        f"weights=pretrained was asked, which is {published}; it is not in {looked}. Nothing is downloaded by itself. "
        f"Fetch it once with hf download {published}, or let {ENVIRONMENT} name a folder that has it.{gate}"
    )
