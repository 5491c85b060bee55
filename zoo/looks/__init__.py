"""Looks, as colourists make them: applied, read and written as other programs do, and learned from graded pictures."""
