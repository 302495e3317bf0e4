"""What the scripts share: flags of a task, files, and how a script runs."""
