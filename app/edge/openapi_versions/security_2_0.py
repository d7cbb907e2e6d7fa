"""Convert a security scheme of OpenAPI 3 to 2.0."""

from app.edge.openapi_versions.parts import Part, UnsupportedSchema, copy_keys, require_known_keys


def security_2_0(part: Part, where: str) -> Part:
    """Convert a security scheme. A bearer token becomes an API key in the Authorization header.

    Raises:
        UnsupportedSchema: for any other scheme, and for a key in a cookie.
    """
    if part["type"] == "apiKey" and part["in"] in ("header", "query"):
        require_known_keys(part, {"type", "description", "name", "in"}, where)
        return copy_keys(part, {"type", "description", "name", "in"})
    if part["type"] == "http" and part["scheme"].lower() == "bearer":
        require_known_keys(part, {"type", "description", "scheme", "bearerFormat"}, where)
        description = f"{part.get('description', '')} Send it with the prefix Bearer: Bearer {{token}}."
        return {
            "type": "apiKey",
            "name": "Authorization",
            "in": "header",
            "description": description.strip(),
            **({"x-bearer-format": part["bearerFormat"]} if "bearerFormat" in part else {}),
            **copy_keys(part, ()),
        }
    raise UnsupportedSchema(f"{where}: cannot convert this security scheme")
