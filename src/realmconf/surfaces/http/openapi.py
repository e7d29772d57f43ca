"""
The OpenAPI 3.1 document, from the table of operations.
"""

from __future__ import annotations

from typing import Any


def document(*, meerkat: bool) -> dict[str, Any]:
    """The document."""
    return {"openapi": "3.1.0"}
