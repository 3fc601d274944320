"""The report room: words, tables and charts for people. Reads the notebook only."""
