"""What a study is: the study file, its search space, its validation, starter files. Nothing is run or stored."""
