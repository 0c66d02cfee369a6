"""The same engine, driven the way other people would: textbook PyFlink and Bytewax."""
