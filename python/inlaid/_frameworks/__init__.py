"""Tables for other frameworks: a file for each, which is imported when it is asked for."""

from .hook import when_imported


def follow_datasets() -> None:
    """Adds the feature of tensors to Hugging Face `datasets`, as soon as that is imported."""

    def register() -> None:
        from .datasets import register

        register()

    when_imported("datasets", register)
