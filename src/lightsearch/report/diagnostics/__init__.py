"""What a study's trials say about the search itself: one sentence with the figure, and the exact hint."""
