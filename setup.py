"""Everything is in pyproject.toml; this file is for tools that call setup.py."""

from setuptools import setup

setup()
