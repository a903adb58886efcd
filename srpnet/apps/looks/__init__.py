"""Looks at a photograph: placed, cropped closer, searched for small things, edges drawn anew."""
