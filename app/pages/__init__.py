"""The web pages, for people who qualify prospects in a browser. They work without scripts."""
