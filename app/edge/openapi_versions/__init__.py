"""Convert the description of the API to OpenAPI 3.0 and 2.0, which many CRMs still need."""

from app.edge.openapi_versions.document_2_0 import to_2_0
from app.edge.openapi_versions.document_3_0 import to_3_0
from app.edge.openapi_versions.parts import UnsupportedSchema

__all__ = ["UnsupportedSchema", "to_2_0", "to_3_0"]
