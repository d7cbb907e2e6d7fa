"""A security scheme of OpenAPI 3 as one of 2.0."""

from app.edge.openapi_versions.parts import Part, UnsupportedSchema, expect, kept


def security_2_0(part: Part, where: str) -> Part:
    """An API key as it is; a bearer token as an API key in the header that it is sent in.

    Raises:
        Undescribable: for any other scheme, and for a key in a cookie.
    """
    if part["type"] == "apiKey" and part["in"] in ("header", "query"):
        expect(part, {"type", "description", "name", "in"}, where)
        return kept(part, {"type", "description", "name", "in"})
    if part["type"] == "http" and part["scheme"].lower() == "bearer":
        expect(part, {"type", "description", "scheme", "bearerFormat"}, where)
        said = f"{part.get('description', '')} Sent with the word Bearer before it: Bearer {{token}}."
        return {
            "type": "apiKey",
            "name": "Authorization",
            "in": "header",
            "description": said.strip(),
            **({"x-bearer-format": part["bearerFormat"]} if "bearerFormat" in part else {}),
            **kept(part, ()),
        }
    raise UnsupportedSchema(f"{where}: cannot convert this security scheme")
