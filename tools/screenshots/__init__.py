"""Pictures of the web pages for the README."""
