"""The notebook room: git as the record. Knows no judge, no lab, no agent; the ledger is the only truth."""
