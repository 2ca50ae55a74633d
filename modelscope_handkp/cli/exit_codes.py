"""Exit codes of every command."""

OK, SOME_FAILED, REFUSED, INTERRUPTED = 0, 1, 2, 130
