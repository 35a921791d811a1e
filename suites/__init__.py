"""Suites as data: one question a file."""
