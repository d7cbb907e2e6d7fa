"""Generate the reference from the routes and from real calls."""
