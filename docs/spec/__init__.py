"""The operators' specification: its pages are executed, drawn and written here."""
