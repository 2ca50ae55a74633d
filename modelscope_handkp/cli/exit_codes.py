"""Exit codes of every command."""

OK, SOME_FAILED, REFUSED, INTERRUPTED = 0, 1, 2, 130
OF_SIGNAL = 128  # and the number of the signal that ended the command
