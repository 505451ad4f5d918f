"""What a report says of a study, gathered once from the storage for the plots, the page and the summaries."""
