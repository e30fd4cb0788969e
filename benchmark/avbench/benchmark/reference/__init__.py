"""One table of the reference models: they and their variants under one suite, compared, from one command.

`plan` says which rows there are and which of them are compared, `answers` runs them, `figures`, `confidence` and
`listening` work the numbers out, `tables`, `export` and `picture` write them down.
"""
