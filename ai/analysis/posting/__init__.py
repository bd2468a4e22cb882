"""A posting's text and what is made of it: input, normal form, pieces, and the form of a model's answer."""
