"""Static files: hashed names once `collectstatic` has run, plain names before."""

from __future__ import annotations

from whitenoise.storage import CompressedManifestStaticFilesStorage


class StaticStorage(CompressedManifestStaticFilesStorage):
    """WhiteNoise's storage, but a file that the manifest does not know keeps its plain name.

    So tests and a fresh clone need no build step (WhiteNoise finds the files where they are), and an
    error page can never fail for want of a style sheet.
    """

    manifest_strict = False
    # Our modules import each other by their hashed names too. Ours only: Django's own switch for this
    # also reads the comments of libraries, and fails for the files that those mention.
    patterns = (
        *CompressedManifestStaticFilesStorage.patterns,
        ("js/*.js", ((r"""(?P<matched>from "(?P<url>\./[^"]+)")""", 'from "%(url)s"'),)),
    )

    def stored_name(self, name: str) -> str:
        return str(self.hashed_files.get(self.hash_key(self.clean_name(name)), name))
