"""Which photographs a run learns from, and with which tags."""

from episodes.data.image_tags import PREFIX, TaggedPhotographs, checked, read_tags, tags_of
from episodes.data.pictures.images import Missing
from episodes.data.remarks import check_remarks
from episodes.data.source import OnProgress, silent
from episodes.errors import InputError
from episodes.fewshot.folds import Fold
from srpnet.weak.settings import WeakDataSettings


def tagged_photographs(settings: WeakDataSettings, seed: int, on_progress: OnProgress = silent) -> TaggedPhotographs:
    """The photographs with tags that settings name. Of a fold, tags of novel classes are never given.

    Raises:
        InputError: if data or classes are wrong, too much has to be skipped, or one class alone is left.
    """
    if settings.data.startswith(PREFIX):
        if settings.fold != "all":
            raise InputError(f"{settings.data} has no folds: leave out `fold`")
        given = read_tags(settings.data.removeprefix(PREFIX))
    else:
        fold = Fold(settings, on_progress=on_progress)
        remarks = [each for each in fold.remarks("train") if not (settings.allow_missing and each.what == Missing.kind)]
        check_remarks(fold.source.name, remarks, settings.strict)
        drop, least = settings.novel_pixels == "drop", settings.min_pixels or 1
        given = tags_of(fold.source, "train", fold.base, fold.unseen(()), drop, least)
    return checked(given, settings.only).limited(settings.photographs, seed)
