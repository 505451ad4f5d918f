"""Modules as other people write them, none of them for lightsearch, and a test that takes each through everything."""
