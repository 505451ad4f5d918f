"""This machine: its cores and memory, its processes, and what they leave behind."""
