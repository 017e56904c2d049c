"""What do the commands share? Options, output, and finding a run."""
