"""The built-in providers: rows of data and the code that reads them; no wire format lives here."""
