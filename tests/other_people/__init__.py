"""Modules as users write them, none of them for lightsearch, and a test that takes each through all commands."""
