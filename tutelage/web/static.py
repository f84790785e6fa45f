"""Static files under an address that changes when any of them does, so that browsers keep them for ever."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from mimetypes import guess_type
from pathlib import Path

from fastapi import APIRouter, Response

from tutelage.web.access import public
from tutelage.web.errors import ApiError

FOREVER = "public, max-age=31536000, immutable"
#: Types that browsers insist on, whatever the machine's own table of types says.
_TYPES = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}


class Static:
    """All static files of an application, read once; only what is in the folders can be asked for.

    A file is at `/static/DIGEST/FOLDER/NAME`, where DIGEST stands for all files together: so modules import each other
    by relative names, and a page never gets modules of two versions.
    """

    def __init__(self, folders: Mapping[str, Path]) -> None:
        """Read the files below each folder, which is named by its key."""
        self._files = {
            f"{name}/{path.relative_to(folder).as_posix()}": path.read_bytes()
            for name, folder in sorted(folders.items())
            for path in sorted(folder.rglob("*"))
            if path.is_file()
        }
        whole = hashlib.sha256()
        for name, content in self._files.items():
            whole.update(hashlib.sha256(name.encode()).digest() + hashlib.sha256(content).digest())
        self._digest = whole.hexdigest()[:16]

    def url(self, name: str) -> str:
        """Return the address of a file; a name that is not there is a bug."""
        if name not in self._files:
            raise KeyError(f"no static file {name}; there are {sorted(self._files)}")
        return f"/static/{self._digest}/{name}"

    def router(self) -> APIRouter:
        """Return the route that answers with the files."""
        router = APIRouter()

        @router.get("/static/{digest}/{name:path}")
        @public
        async def file(digest: str, name: str) -> Response:
            content = self._files.get(name)
            if content is None:
                raise ApiError(404, "There is no such file.")
            # A page from before an update still gets the present file, but keeps it not.
            kept = FOREVER if digest == self._digest else "no-store"
            kind = _TYPES.get(Path(name).suffix) or guess_type(name)[0] or "application/octet-stream"
            return Response(content, media_type=kind, headers={"Cache-Control": kept})

        return router
