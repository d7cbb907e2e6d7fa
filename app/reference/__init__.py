"""openapi.md: the reference, made from the routes and from real calls."""
