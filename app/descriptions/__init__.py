"""What the API says of itself, in the older versions of OpenAPI that many CRMs still read."""

from app.descriptions.document_2_0 import to_2_0
from app.descriptions.document_3_0 import to_3_0
from app.descriptions.parts import Undescribable

__all__ = ["Undescribable", "to_2_0", "to_3_0"]
