"""The papers' own tables: one module a table, and what they share."""
