"""What a person types. One file a command: parsing and printing only; the work is in ``lightsearch``."""
