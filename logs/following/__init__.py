"""Files found and followed: open files, patterns and the journal come in; blocks of new lines, each with its writer, go out to parsing and storing."""
