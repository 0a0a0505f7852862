"""Static files: hashed names once `collectstatic` has run, plain names before."""

from __future__ import annotations

from whitenoise.storage import CompressedManifestStaticFilesStorage


class StaticStorage(CompressedManifestStaticFilesStorage):
    """WhiteNoise's storage, but a file that the manifest does not know keeps its plain name.

    So tests and a fresh clone need no build step (WhiteNoise finds the files where they are), and an
    error page can never fail for want of a style sheet.
    """

    manifest_strict = False

    def stored_name(self, name: str) -> str:
        return str(self.hashed_files.get(self.hash_key(self.clean_name(name)), name))
