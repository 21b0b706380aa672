"""The doctor: looks at a stack from outside and from above, layer by layer, and names what is broken first."""
