"""The declaration of a study: study file, search space, validation, starter files. Nothing is run or stored here."""
