"""Merge three versions of a file: text line by line, JSON key by key. Nothing is read or written here."""
