"""Secrets hidden: rules, a masker for any text, and a fast one for blocks of lines. Text comes in, text without secrets goes out."""
