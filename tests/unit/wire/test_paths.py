"""Exact paths: what is not looked for."""

from typing import Any

import pytest
from starlette.exceptions import HTTPException

from app.wire.paths import ExactPaths


@pytest.mark.parametrize("root", ["", "/voice"])
async def test_a_very_long_path_is_not_looked_for(root: str) -> None:
    """Static files would look into each of its folders."""
    asked = []

    async def app(scope: Any, _receive: Any, _send: Any) -> None:
        asked.append(scope["path"])

    layer: Any = ExactPaths(app, "/api", ())
    longest = "/api/ui/".ljust(256, "a")
    await layer({"path": root + longest, "root_path": root}, None, None)
    with pytest.raises(HTTPException) as caught:
        await layer({"path": f"{root}{longest}a", "root_path": root}, None, None)
    assert caught.value.status_code == 404
    assert asked == [root + longest]
