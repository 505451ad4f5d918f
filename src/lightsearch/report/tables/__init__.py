"""The tables of a study: one row per trial, one row per epoch, written as CSV and Parquet."""
