"""Tables for other frameworks: a file for each, which is imported when it is asked for."""
