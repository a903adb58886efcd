"""What several commands share: flags, examples, progress, lines on the terminal."""
