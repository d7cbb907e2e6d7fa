"""The items of a payload, and what a mapping makes of them."""
