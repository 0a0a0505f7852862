from __future__ import annotations

from whitenoise.storage import CompressedManifestStaticFilesStorage


class StaticStorage(CompressedManifestStaticFilesStorage):
    """Files missing in the manifest keep their plain names, so that a clone and error pages need no build step."""

    manifest_strict = False
    # The portal's own modules import each other by hashed names. Django's support_js_module_import_aggregation would
    # also read the comments of libraries, and fail for the files that they mention.
    patterns = (
        *CompressedManifestStaticFilesStorage.patterns,
        ("js/*.js", ((r"""(?P<matched>from "(?P<url>\./[^"]+)")""", 'from "%(url)s"'),)),
    )

    def stored_name(self, name: str) -> str:
        return str(self.hashed_files.get(self.hash_key(self.clean_name(name)), name))
