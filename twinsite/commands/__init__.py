"""One module a group of commands: each reads its arguments, says what it will do, and calls the rooms."""
